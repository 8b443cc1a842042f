package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/porticod/portico/pkg/logging"
)

// maxPassword bounds the line that a password is read from.
const maxPassword = 1024

// password asks for a new password: twice and unseen on a terminal, else one
// line of the standard input.
func (e *env) password() (string, error) {
	if !logging.IsTerminal(e.In) {
		p, err := readLine(e.In)
		if err != nil {
			return "", usage("no password: write it on the standard input, as one line, or let one be made with --generate")
		}
		return p, nil
	}
	first, err := e.ask("Password: ")
	if err != nil {
		return "", failed(err)
	}
	second, err := e.ask("The same again: ")
	if err != nil {
		return "", failed(err)
	}
	if first != second {
		return "", failed(errors.New("the two passwords differ"))
	}
	return first, nil
}

// ask reads a line that the terminal does not show.
func (e *env) ask(prompt string) (string, error) {
	fmt.Fprint(e.Err, prompt)
	restore, err := hideInput(e.In)
	if err != nil {
		return "", fmt.Errorf("ask for the password: %w", err)
	}
	defer func() {
		restore()
		fmt.Fprintln(e.Err)
	}()
	return readLine(e.In)
}

// readLine reads one line, byte by byte, so that nothing beyond it is taken.
func readLine(r io.Reader) (string, error) {
	var line []byte
	b := make([]byte, 1)
	for len(line) < maxPassword {
		n, err := r.Read(b)
		if n == 1 {
			if b[0] == '\n' {
				return strings.TrimSuffix(string(line), "\r"), nil
			}
			line = append(line, b[0])
		}
		if errors.Is(err, io.EOF) && len(line) > 0 {
			return string(line), nil
		}
		if err != nil {
			return "", fmt.Errorf("read a line: %w", err)
		}
	}
	return "", fmt.Errorf("the line is longer than %d bytes", maxPassword)
}

// generate makes a password that can be read out: about 100 bits.
func generate() string { return rand.Text()[:20] }
