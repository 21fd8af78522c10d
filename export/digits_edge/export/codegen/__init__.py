"""Write the int8 network as C and as a web page."""
