package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// A pacedClient asks over a connection that it keeps, and each fourth time over a
// new one.
type pacedClient struct {
	addr string
	conn net.Conn
	br   *bufio.Reader
	used bool
}

func (c *pacedClient) close() {
	if c.conn != nil {
		_ = c.conn.Close()
	}
	c.conn = nil
}

// run asks at its pace and returns how late each answer came.
func (c *pacedClient) run(ctx context.Context, first time.Time, d time.Duration) (times []time.Duration, failed int) {
	const every = pacedClients * time.Second / pacedRate
	for i := 0; time.Duration(i)*every < d && ctx.Err() == nil; i++ {
		due := first.Add(time.Duration(i) * every)
		time.Sleep(time.Until(due))
		if i%4 == 0 {
			c.close()
		}
		if c.ask() {
			times = append(times, time.Since(due))
		} else {
			failed++
		}
	}
	return times, failed
}

// ask sends one request. A server may close a connection that it kept: then the
// request goes over a new one, as every client has it, and only if that fails, too,
// has it failed.
func (c *pacedClient) ask() bool {
	old := c.used && c.conn != nil
	err := c.once()
	if err != nil && old {
		err = c.once()
	}
	return err == nil
}

func (c *pacedClient) once() (err error) {
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.conn == nil {
		if c.conn, err = net.DialTimeout("tcp", c.addr, 10*time.Second); err != nil {
			return err
		}
		c.br, c.used = bufio.NewReader(c.conn), false
	}
	_ = c.conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c.conn, "GET / HTTP/1.1\r\nHost: bench\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(c.br, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("answered %s", res.Status)
	}
	if c.used = true; res.Close {
		c.close()
	}
	return err
}
