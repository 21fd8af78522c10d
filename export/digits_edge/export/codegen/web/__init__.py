"""Write an int8 network as a web page, and run the page's scripts."""
