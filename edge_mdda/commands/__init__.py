"""What each command of the program does once its options are parsed; heavy imports happen inside the functions."""
