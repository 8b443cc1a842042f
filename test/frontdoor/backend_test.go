package frontdoor_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A backend is an HTTP/1.1 server that takes every byte as the standard has it,
// and notes what it got. Its parser is its own: what it and the daemon would both
// read wrongly shows.
type backend struct {
	addr string

	mu       sync.Mutex
	requests []string // "METHOD target body", or what was wrong
	headers  []string // as they came
}

func newBackend(t testing.TB) *backend {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{addr: ln.Addr().String()}
	var conns sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { b.serve(c) })
		}
	}()
	return b
}

func (b *backend) serve(c net.Conn) {
	defer c.Close()
	br := bufio.NewReader(c)
	for {
		header, what, err := readRequest(br, c)
		if errors.Is(err, io.EOF) && what == "" {
			return
		}
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
			return // broken off, and so never a request
		}
		if err != nil {
			what = "broken: " + err.Error()
		}
		b.mu.Lock()
		b.requests, b.headers = append(b.requests, what), append(b.headers, header)
		b.mu.Unlock()
		if err != nil {
			return
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			return
		}
	}
}

// take returns what came since it was called last.
func (b *backend) take() (requests, headers []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	requests, headers = b.requests, b.headers
	b.requests, b.headers = nil, nil
	return requests, headers
}

func readLine(br *bufio.Reader) (string, error) {
	s, err := br.ReadString('\n')
	if err == io.EOF && s != "" {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return s, err
	}
	line, ok := strings.CutSuffix(s, "\r\n")
	if !ok || strings.ContainsAny(line, "\r\x00") {
		return s, fmt.Errorf("a line that ends oddly: %q", s)
	}
	return line, nil
}

// readRequest reads one request (RFC 9112) and refuses what is not plain.
func readRequest(br *bufio.Reader, w io.Writer) (header, what string, err error) {
	line, err := readLine(br)
	if err != nil {
		return "", line, err
	}
	header = line + "\r\n"
	method, rest, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(rest, " ")
	if version != "HTTP/1.1" {
		return header, line, fmt.Errorf("request line %q", line)
	}
	seen := map[string]string{}
	for {
		line, err := readLine(br)
		if err != nil {
			return header, line, fmt.Errorf("in the header: %w", err)
		}
		if line == "" {
			break
		}
		header += line + "\r\n"
		name, value, ok := strings.Cut(line, ":")
		key := strings.ToLower(name)
		if _, twice := seen[key]; !ok || strings.ContainsAny(name, " \t") || twice && (key == "host" || key == "content-length" || key == "transfer-encoding") {
			return header, line, fmt.Errorf("field %q", line)
		}
		seen[key] = strings.TrimSpace(value)
	}
	if seen["expect"] != "" {
		if _, err := io.WriteString(w, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return header, "", err
		}
	}
	length, sized := seen["content-length"]
	coding, coded := seen["transfer-encoding"]
	var body []byte
	switch {
	case sized && coded:
		return header, "", errors.New("two lengths")
	case coded && coding != "chunked":
		return header, "", fmt.Errorf("coding %q", coding)
	case coded:
		body, err = readChunks(br)
	case sized:
		n, aerr := strconv.ParseUint(length, 10, 31)
		if aerr != nil {
			return header, "", aerr
		}
		body = make([]byte, n)
		_, err = io.ReadFull(br, body)
	}
	if err != nil {
		return header, "", fmt.Errorf("in the body: %w", err)
	}
	if host := seen["host"]; strings.HasPrefix(host, "127.0.0.1:") {
		target = "upstream" + target
	} else if host != "x" {
		target = fmt.Sprintf("%q%s", host, target)
	}
	return header, strings.TrimSpace(fmt.Sprintf("%s %s %s", method, target, body)), nil
}

func readChunks(br *bufio.Reader) (body []byte, err error) {
	for {
		line, err := readLine(br)
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseUint(line, 16, 31)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return body, readTrailer(br)
		}
		part := make([]byte, n)
		if _, err := io.ReadFull(br, part); err != nil {
			return nil, err
		}
		if end, err := readLine(br); err != nil || end != "" {
			return nil, fmt.Errorf("after a chunk: %q %w", end, err)
		}
		body = append(body, part...)
	}
}

func readTrailer(br *bufio.Reader) error {
	for {
		if line, err := readLine(br); err != nil || line == "" {
			return err
		}
	}
}
