"""Mail, whatever format it came in: taken apart, its words and its files as a document."""
