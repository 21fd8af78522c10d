"""Write an int8 network as C, compile it and run it."""
