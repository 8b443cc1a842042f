package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/term"

	"github.com/porticod/portico/pkg/logging"
)

// A terminal shows frames and hears keys. It is its user's again after leave.
type terminal struct {
	in, out *os.File

	mu    sync.Mutex // guards what follows
	state *term.State
}

// openTerminal returns the terminal at both ends; ok says that there is one.
func openTerminal(in io.Reader, out io.Writer) (t *terminal, ok bool) {
	i, isIn := in.(*os.File)
	o, isOut := out.(*os.File)
	if !isIn || !isOut || !logging.IsTerminal(i) || !logging.IsTerminal(o) {
		return nil, false
	}
	return &terminal{in: i, out: o}, true
}

// What terminals understand: the other screen, the cursor, to clear.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[0m\x1b[?25h\x1b[?1049l"
	clearLine   = "\x1b[K"
	clearRest   = "\x1b[J"
	home        = "\x1b[H"
)

func (t *terminal) enter() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	state, err := term.MakeRaw(int(t.in.Fd()))
	if err != nil {
		return fmt.Errorf("set up the terminal: %w", err)
	}
	t.state = state
	_, err = t.out.WriteString(enterScreen)
	return err
}

// leave gives the terminal back. It may be called more than once.
func (t *terminal) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state == nil {
		return
	}
	_, _ = t.out.WriteString(leaveScreen) // a terminal that is gone needs no restoring
	_ = term.Restore(int(t.in.Fd()), t.state)
	t.state = nil
}

// guarded calls f in a goroutine; a panic there leaves a terminal on which it
// can be read.
func (t *terminal) guarded(f func()) {
	defer func() {
		if r := recover(); r != nil {
			t.leave()
			panic(r)
		}
	}()
	f()
}

// suspend stops the program, as ctrl-z does, until the shell takes it up again.
func (t *terminal) suspend() {
	t.leave()
	_ = syscall.Kill(0, syscall.SIGTSTP) // then ctrl-z does nothing
	_ = t.enter()                        // then drawing fails
}

func (t *terminal) size() (width, height int) {
	width, height, err := term.GetSize(int(t.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}

// draw puts lines over what is there, in one write, so that nothing flickers.
func (t *terminal) draw(lines []line) error {
	var b strings.Builder
	b.WriteString(home)
	for i, l := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		switch l.style {
		case styleHead:
			b.WriteString("\x1b[7m" + l.text + clearLine + "\x1b[0m")
		case styleBold:
			b.WriteString("\x1b[1m" + l.text + "\x1b[0m" + clearLine)
		case styleBad:
			b.WriteString("\x1b[31m" + l.text + "\x1b[0m" + clearLine)
		default:
			b.WriteString(l.text + clearLine)
		}
	}
	b.WriteString(clearRest)
	_, err := t.out.WriteString(b.String())
	return err
}

// readKeys sends the names of keys until ctx ends or the terminal is gone, and
// closes keys.
func (t *terminal) readKeys(ctx context.Context, keys chan<- string) {
	defer close(keys)
	buf := make([]byte, 256)
	for ctx.Err() == nil {
		if !t.waitInput() {
			continue
		}
		n, err := t.in.Read(buf)
		if err != nil || n == 0 {
			return
		}
		for _, k := range keyNames(string(buf[:n])) {
			select {
			case keys <- k:
			case <-ctx.Done():
				return
			}
		}
	}
}

// keySequences are what terminals send for keys that are no characters.
var keySequences = []struct{ bytes, name string }{
	{"\x1b[A", "up"}, {"\x1b[B", "down"}, {"\x1b[C", "right"}, {"\x1b[D", "left"},
	{"\x1bOA", "up"}, {"\x1bOB", "down"}, {"\x1bOC", "right"}, {"\x1bOD", "left"},
	{"\x1b[5~", "pgup"}, {"\x1b[6~", "pgdown"}, {"\x1b[H", "home"}, {"\x1b[1~", "home"}, {"\x1bOH", "home"},
	{"\x03", "ctrl-c"}, {"\x04", "ctrl-d"}, {"\x1a", "ctrl-z"}, {"\t", "tab"},
}

// keyNames takes what was read apart. A sequence that nobody knows is skipped
// as a whole: its letters are no keys.
func keyNames(s string) []string {
	var names []string
next:
	for s != "" {
		for _, q := range keySequences {
			if rest, ok := strings.CutPrefix(s, q.bytes); ok {
				names, s = append(names, q.name), rest
				continue next
			}
		}
		if s[0] != '\x1b' {
			names, s = append(names, s[:1]), s[1:]
			continue
		}
		if len(s) == 1 || s[1] != '[' && s[1] != 'O' {
			names, s = append(names, "esc"), s[1:]
			continue
		}
		end := 2
		for end < len(s) && (s[end] < '@' || s[end] > '~') {
			end++
		}
		s = s[min(end+1, len(s)):]
	}
	return names
}
