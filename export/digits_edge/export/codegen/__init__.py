"""Write an int8 network as C and as a web page."""
