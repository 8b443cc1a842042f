package photos

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/services/photos/entity"
	"github.com/porticod/portico/services/photos/store"
)

const streamRoot = "/api/v1/streaming"

var (
	errListeners = &problem{status: http.StatusTooManyRequests, body: entity.Error{Error: "Too many streams are open; close some"}, retry: retryAfter}
	errStreams   = fail(http.StatusTooManyRequests, "A connection has at most %d streams", maxStreams)
	errNoStream  = fail(http.StatusBadRequest, "Unknown stream type")
)

// A channel is what a listener is written to. write and thump are called by one
// goroutine; the others by any.
type channel interface {
	// write sends an event of a stream; payload is one line.
	write(s stream, event string, payload string) error
	thump() error
	// tell answers a command of the client, where it can send any.
	tell(text string) error
	// close ends it politely, with a WebSocket close code.
	close(code int, reason string)
}

// A listening is a listener with what it takes to deliver events to it.
type listening struct {
	*listener
	p     *Photos
	base  string
	token string // empty: nobody in particular
	out   channel
}

// serveStreaming answers below /api/v1/streaming. It is apart from the table of
// calls, because here answers have no end.
func (p *Photos) serveStreaming(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET, OPTIONS")
		p.writeProblem(w, r, fail(http.StatusMethodNotAllowed, "%s is not allowed here", r.Method))
		return
	}
	name := strings.Trim(strings.TrimPrefix(r.URL.Path, streamRoot), "/")
	if name == "health" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write([]byte("OK"))
		return
	}
	var err error
	if name == "" && hasToken(r.Header, "Upgrade", "websocket") {
		err = p.serveSocket(w, r)
	} else {
		err = p.serveEvents(w, r, strings.ReplaceAll(name, "/", ":"))
	}
	if err != nil {
		p.writeProblem(w, r, err)
	}
}

func hasToken(h http.Header, name, token string) bool {
	for _, v := range h.Values(name) {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// streamToken is who wants to listen: by the header, or as browsers must say it,
// in the query or as the subprotocol, which then is to be echoed.
func streamToken(r *http.Request) (token, protocol string) {
	if token, ok := bearer(r.Header.Get("Authorization")); ok {
		return token, ""
	}
	if token = r.URL.Query().Get("access_token"); token != "" {
		return token, ""
	}
	protocol, _, _ = strings.Cut(r.Header.Get("Sec-WebSocket-Protocol"), ",")
	protocol = strings.TrimSpace(protocol)
	return protocol, protocol
}

// listen finds out who listens. The caller joins and leaves the hub.
func (p *Photos) listen(w http.ResponseWriter, r *http.Request, token string) (*listening, viewer, error) {
	cfg := p.config.Load()
	l := &listening{p: p, base: baseOf(cfg.PublicURL, r), token: token}
	v, err := l.viewer(r.Context())
	if err != nil {
		return nil, v, err
	}
	if err := p.limited(w, r, cfg, v); err != nil {
		return nil, v, err
	}
	o := owner{User: v.user.ID}
	if !v.signedIn() {
		o.Addr = peer(r).String()
	}
	l.listener = newListener(o)
	return l, v, nil
}

// viewer is who listens now.
func (l *listening) viewer(ctx context.Context) (viewer, error) {
	if l.token == "" {
		return viewer{}, nil
	}
	v, err := l.p.verify(ctx, l.token)
	if errors.Is(err, account.ErrToken) {
		err = errToken
	}
	return v, err
}

// open returns the stream that a client names, if v may have it.
func (p *Photos) open(ctx context.Context, v viewer, name, tag, list string) (stream, error) {
	s, scope := stream{name: name}, ""
	switch name {
	case "user", "direct", "list":
		scope = "read:statuses"
	case "user:notification":
		scope = "read:notifications"
	case "hashtag", "hashtag:local":
		if s.arg = normalTag(tag); s.arg == "" {
			return s, fail(http.StatusBadRequest, "No valid tag for this stream")
		}
	case "public", "public:local", "public:remote", "public:media", "public:local:media", "public:remote:media":
	default:
		return s, errNoStream
	}
	switch {
	case scope != "" && v.session.ID == "":
		return s, errToken
	case scope != "" && !v.signedIn():
		return s, errUser
	case scope != "" && !allows(v.session.Scopes, scope):
		return s, errScope
	}
	if name != "list" {
		return s, nil
	}
	id, err := strconv.ParseInt(list, 10, 64)
	if err == nil {
		_, err = p.store.List(ctx, v.user.ID, id)
	}
	if err != nil {
		return s, errNotFound
	}
	s.list, s.arg = id, strconv.FormatInt(id, 10)
	return s, nil
}

// run delivers events until the listener ends or ctx does; it returns why it
// ended. It is the only one that writes events.
func (l *listening) run(ctx context.Context) int {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			l.end(endGone)
		case <-beat.C:
			if l.out.thump() != nil {
				l.end(endGone)
			}
			l.check() // a token may have been forgotten without a word
		case <-l.wake:
		}
		queue, recheck, code := l.take()
		if code != 0 {
			return code
		}
		if recheck {
			if err := l.still(ctx); err != nil {
				l.end(endOf(err))
				continue
			}
		}
		for _, ev := range queue {
			if err := l.deliver(ctx, ev); err != nil {
				l.end(endOf(err))
				break
			}
		}
	}
}

// endOf is the code for an error: what is wrong with the client's token, or
// else something here, or its connection.
func endOf(err error) int {
	if pr, _ := problemOf(err); pr.status == http.StatusUnauthorized || pr.status == http.StatusForbidden {
		return endPolicy
	}
	return endSlow
}

// still is an error where who listens may not any more.
func (l *listening) still(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, streamWait)
	defer cancel()
	v, err := l.viewer(ctx)
	if err != nil {
		return err
	}
	for _, s := range l.subscribed() {
		if s.list == 0 {
			continue
		}
		if _, err := l.p.store.List(ctx, v.user.ID, s.list); errors.Is(err, store.ErrNotFound) {
			l.unsubscribe(s)
		}
	}
	return nil
}

// marshal writes JSON in one line, as writeJSON does.
func marshal(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// followListeners has those who listen find out about changes of accounts that
// concern them. It does not block.
func (p *Photos) followListeners(c account.Change) {
	switch c.Kind {
	case account.Deleted, account.Suspended, account.PasswordSet, account.SessionEnded:
	default:
		return // blocks and roles are asked for with each event
	}
	p.hub.each(func(l *listener) {
		if l.owner.User == c.UserID {
			l.check()
		}
	})
}

// track registers something long-lived with the daemon.
func (p *Photos) track(conn net.Conn, l *listener) (done func()) {
	return p.env.Track(conn, func(code int) { l.end(code) })
}

// reasonOf is what a close frame says.
func reasonOf(code int) string {
	return map[int]string{endGone: "going away", endPolicy: "the access token is invalid", endRestart: "restarting", endSlow: "too slow; connect again"}[code]
}
