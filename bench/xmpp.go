package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// xmppDialect is how prosody's messages look to who only counts them.
var xmppDialect = dialect{mark: []byte("</body>"), stamp: []byte("<body>@"), whole: wholeStanzas}

// wholeStanzas ends after the last message that is complete. What comes between
// messages is looked at again with the next one.
func wholeStanzas(b []byte) int {
	const end = "</message>"
	if i := bytes.LastIndex(b, []byte(end)); i >= 0 {
		return i + len(end)
	}
	return max(0, len(b)-64<<10) // presences of a room may be many
}

// An xmppSocket is a client that parses nothing: it looks for words.
type xmppSocket struct {
	conn net.Conn
	br   *bufio.Reader
	got  []byte // what came after the last word that was looked for
}

// dial signs in as a person, with a resource, and is available.
func (p *prosody) dial(person int, resource string, secure bool) (s *xmppSocket, err error) {
	s = &xmppSocket{}
	if secure {
		s.conn, err = dialTLS(p.secure)
	} else {
		s.conn, err = net.DialTimeout("tcp", p.addr, chatTimeout)
	}
	if err != nil {
		return nil, err
	}
	s.br = bufio.NewReaderSize(s.conn, 4096)
	if err := s.hello(xmppUser(person), resource); err != nil {
		_ = s.conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *xmppSocket) hello(user, resource string) error {
	const open = "<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	secret := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00secret"))
	for _, step := range []struct{ send, want string }{
		{open, "</stream:features>"},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + secret + "</auth>", "<success"},
		{open, "</stream:features>"},
		{"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + resource + "</resource></bind></iq>", "</iq>"},
	} {
		if err := s.ask(step.send, step.want); err != nil {
			return fmt.Errorf("sign in as %s: %w", user, err)
		}
	}
	return s.write("<presence/>")
}

func (s *xmppSocket) write(text string) error {
	_ = s.conn.SetDeadline(time.Now().Add(chatTimeout))
	_, err := io.WriteString(s.conn, text)
	return err
}

// ask sends and waits for a word.
func (s *xmppSocket) ask(send, want string) error {
	if err := s.write(send); err != nil {
		return err
	}
	return s.await(want, 1)
}

// await waits until a word came so often.
func (s *xmppSocket) await(want string, n int) error {
	for {
		for n > 0 {
			_, rest, found := bytes.Cut(s.got, []byte(want))
			if !found {
				break
			}
			s.got = rest
			n--
		}
		if n == 0 {
			return nil
		}
		if bytes.Contains(s.got, []byte("<failure")) || bytes.Contains(s.got, []byte("<stream:error")) || bytes.Contains(s.got, []byte("type='error'")) {
			return fmt.Errorf("prosody answered %s", s.got)
		}
		if len(s.got) > 1<<20 {
			return errors.New("prosody wrote a megabyte beside what was waited for")
		}
		if _, err := s.br.Peek(1); err != nil {
			return fmt.Errorf("wait for %s: %w", want, err)
		}
		more, _ := s.br.Peek(s.br.Buffered())
		s.got = append(s.got, more...)
		_, _ = s.br.Discard(len(more))
	}
}

// stanzas makes so many messages with the time in their texts.
func stanzas(to, kind string, lines int, at time.Time) []byte {
	var b []byte
	for i := range lines {
		b = fmt.Appendf(b, "<message to='%s' type='%s' id='%d-%d'><body>@%d@%s</body></message>", to, kind, at.UnixNano(), i, at.UnixNano(), padding)
	}
	return b
}
