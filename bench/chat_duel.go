package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// A chatDuel is a load that portico and prosody have in turn: pairs of who sends
// and who receives, or one sender in a room.
type chatDuel struct {
	pairs, receivers int // one of them
	lines            int
}

var chatDuels = []chatDuel{{pairs: 16, lines: 1}, {pairs: 16, lines: 16}, {receivers: 50, lines: 16}, {receivers: 250, lines: 16}}

// duels are those of the form.
func duels(short bool) []chatDuel {
	if short {
		return []chatDuel{chatDuels[0], chatDuels[len(chatDuels)-1]}
	}
	return chatDuels
}

func (d chatDuel) String() string {
	if d.pairs > 0 {
		return fmt.Sprintf("%d senders to %d receivers, %s at a time", d.pairs, d.pairs, plural(d.lines, "message"))
	}
	return fmt.Sprintf("1 sender to a group of %d, %s at a time", d.receivers, plural(d.lines, "message"))
}

// A talk is one server's side of a duel.
type talk struct {
	send  []func(lines int) error // of each sender: until the server said that it has them
	crowd *crowd
	close func()
	sent  int // messages that the crowd is to have, in all
	each  int // of the crowd get a message
}

// duel measures portico beside prosody. Both answer a sender when they have stored
// the message; prosody's answer is stream management's (XEP-0198), in a room the
// message itself.
func duel(ctx context.Context, b *bench, r *report, c *chatBench, p *prosody) error {
	beside := &chart{title: "Chat: messages delivered, beside prosody", marks: []mark{{1, "prosody"}}}
	for _, d := range duels(b.short) {
		own, err := c.talk(d)
		if err != nil {
			return fmt.Errorf("portico, %s: %w", d, err)
		}
		peer, err := p.talk(d)
		if err != nil {
			own.close()
			return fmt.Errorf("prosody, %s: %w", d, err)
		}
		res, err := b.compete(ctx, d.String(), []runner{
			{name: "prosody", pid: p.pid(), measure: peer.measure(p.pid(), d.lines)},
			{name: "portico", pid: c.pid(), portico: c.portico, peer: "prosody", measure: own.measure(c.pid(), d.lines)},
		})
		own.close()
		peer.close()
		if err != nil {
			return err
		}
		r.table(res.table("deliveries", "prosody"))
		beside.add(d.String(), "deliveries a second", res.rates("portico").beside(res.rates("prosody")), false)
		beside.add(d.String(), "for each CPU second", res.cpus("prosody").beside(res.cpus("portico")), false)
	}
	r.say("p50 and p99 are of a sender's wait for the server's word that it has the frame.")
	r.plot("prosody", beside)
	return nil
}

// measure has all senders send for a while and waits until everybody has
// everything.
func (t *talk) measure(pid, lines int) func(context.Context, time.Duration) (sample, error) {
	return func(_ context.Context, d time.Duration) (s sample, err error) {
		var times []time.Duration
		before := t.sent
		took, cpu, err := measured(pid, func() (err error) {
			times, err = t.drive(d, lines)
			return err
		})
		if err != nil {
			return s, err
		}
		n := float64(t.sent - before)
		return sample{rate: n / took.Seconds(), p50: percentile(times, .5), p99: percentile(times, .99), cpu: cpu.Seconds() / n}, nil
	}
}

// drive is that, and returns how long each frame waited for the server's word,
// sorted.
func (t *talk) drive(d time.Duration, lines int) ([]time.Duration, error) {
	frames := make([][]time.Duration, len(t.send))
	var g errgroup.Group
	for i, send := range t.send {
		g.Go(func() error {
			for end := time.Now().Add(d); time.Now().Before(end); {
				begun := time.Now()
				if err := send(lines); err != nil {
					return err
				}
				frames[i] = append(frames[i], time.Since(begun))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, f := range frames {
		t.sent += len(f) * lines * t.each
	}
	return sortedTimes(frames), t.crowd.await(int64(t.sent))
}

// talk connects portico's side.
func (c *chatBench) talk(d chatDuel) (*talk, error) {
	if d.pairs == 0 {
		g, err := c.gather(d.receivers, fmt.Sprintf("duel-%d-%d", d.receivers, d.lines))
		if err != nil {
			return nil, err
		}
		return &talk{send: []func(int) error{g.round}, crowd: g.crowd, close: g.close, each: d.receivers}, nil
	}
	return pairTalk(d.pairs, func(int) (from, to *chatBench) { return c, c })
}

// pairTalk connects who send and, at the same chat or another node of it, who
// receive.
func pairTalk(pairs int, at func(i int) (from, to *chatBench)) (*talk, error) {
	t := &talk{each: 1}
	var from, to []*chatSocket
	t.close = func() { closeAll(append(from, to...)) }
	for i := range pairs {
		first, second := at(i)
		receiver := len(first.names)/2 + i
		conv, err := first.create(i, map[string]string{"kind": "direct", "with": first.names[receiver]})
		if err != nil {
			return nil, err
		}
		s, err := first.dial(i)
		if err != nil {
			return nil, err
		}
		from = append(from, s)
		r, err := second.dial(receiver)
		if err != nil {
			return nil, err
		}
		to = append(to, r)
		t.send = append(t.send, func(lines int) error {
			now := time.Now()
			_ = s.conn.SetDeadline(now.Add(chatTimeout))
			if err := s.write(messages(conv, fmt.Sprint(now.UnixNano()), lines, now)); err != nil {
				return err
			}
			return s.acks(lines)
		})
	}
	return t, t.follow(webSocket, to)
}

// talk connects prosody's side.
func (p *prosody) talk(d chatDuel) (*talk, error) {
	t := &talk{each: max(1, d.receivers)}
	var from, to []*chatSocket
	t.close = func() { closeAll(append(from, to...)) }
	receivers := max(d.pairs, d.receivers)
	for i := range receivers {
		s, err := p.dial(i%(chatPeople-100)+100, fmt.Sprintf("r%d", i), false)
		if err != nil {
			return nil, err
		}
		if d.receivers > 0 {
			if err := s.join(d, fmt.Sprintf("n%d", i)); err != nil {
				return nil, err
			}
		}
		to = append(to, &chatSocket{conn: s.conn, br: s.br})
	}
	for i := range max(1, d.pairs) {
		s, err := p.dial(i, "sender", false)
		if err != nil {
			return nil, err
		}
		from = append(from, &chatSocket{conn: s.conn, br: s.br})
		if d.receivers > 0 {
			if err := s.join(d, "sender"); err != nil {
				return nil, err
			}
			t.send = append(t.send, func(lines int) error { return s.toRoom(d, lines) })
			continue
		}
		if err := s.ask("<enable xmlns='urn:xmpp:sm:3'/>", "<enabled"); err != nil {
			return nil, err
		}
		t.send = append(t.send, func(lines int) error { return s.toPerson(xmppUser(i+100)+"@localhost", lines) })
	}
	return t, t.follow(xmppDialect, to)
}

// follow has a crowd count what comes; closing ends that first.
func (t *talk) follow(d dialect, to []*chatSocket) (err error) {
	if t.crowd, err = newCrowd(d, to); err != nil {
		return err
	}
	unfollow, err := t.crowd.follow()
	if err != nil {
		return err
	}
	closing := t.close
	t.close = func() {
		unfollow()
		closing()
	}
	return nil
}

func (d chatDuel) room() string {
	return fmt.Sprintf("room-%d-%d@rooms.localhost", d.receivers, d.lines)
}

// join enters a room; its own presence comes last, with status 110.
func (s *xmppSocket) join(d chatDuel, nick string) error {
	return s.ask("<presence to='"+d.room()+"/"+nick+"'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>", "code='110'")
}

// toRoom sends a frame and waits until the room has sent it back.
func (s *xmppSocket) toRoom(d chatDuel, lines int) error {
	if err := s.write(string(stanzas(d.room(), "groupchat", lines, time.Now()))); err != nil {
		return err
	}
	return s.await("</body>", lines)
}

// toPerson sends a frame and waits until the server has it.
func (s *xmppSocket) toPerson(to string, lines int) error {
	return s.ask(string(stanzas(to, "chat", lines, time.Now()))+"<r xmlns='urn:xmpp:sm:3'/>", "<a ")
}
