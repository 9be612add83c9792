"""Every file of a folder of real documents, read as a user's files are, and its text beside the expected one."""
