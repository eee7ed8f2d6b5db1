"""How the branches compare: the document, the page and the table."""
