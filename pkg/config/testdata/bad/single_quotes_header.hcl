service 'echo' 'e' {}
