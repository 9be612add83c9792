"""A made workbook read by the spreadsheet parser, calamine and openpyxl: time, memory, and whether cells read as shown."""
