package postgres

// Run starts a server for a program that is no test, which closes it. flags are as
// Start has them.
func Run(flags ...string) (*Server, error) { return start(nil, flags...) }

// Close ends a server that Run started, and removes its folder.
func (s *Server) Close() error {
	_ = s.orphan.Close()
	return <-s.gone
}

// PID is the server's first process, whose children do the work; 0: it does not
// run.
func (s *Server) PID() int {
	cmd, _ := s.running()
	if cmd == nil {
		return 0
	}
	return cmd.Process.Pid
}

// Dir is the folder that has the server's data.
func (s *Server) Dir() string { return s.dir }

// URLOf is the URL of one of the server's databases, whose owner is the ordinary
// user.
func (s *Server) URLOf(database string) string { return s.url(database) }

// Query runs statements as the superuser and returns what they say, as SQL does.
func (s *Server) Query(database, statements string) (string, error) {
	return s.sql("postgres", database, statements)
}
