package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/porticod/portico/services/chat/api"
)

// A route is one call: who may make it is up to its wrapper.
type route struct {
	pattern string
	handle  func(http.ResponseWriter, *http.Request) error
}

type authedHandler = func(http.ResponseWriter, *http.Request, *identity) error

// signedIn is for users, to what has a limit of its own.
func (c *Chat) signedIn(h authedHandler) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		who, err := c.authenticate(r.Context(), bearer(r))
		if err != nil {
			return err
		}
		return h(w, r, who)
	}
}

// limited is for users, with the limit of calls.
func (c *Chat) limited(h authedHandler) func(http.ResponseWriter, *http.Request) error {
	return c.signedIn(func(w http.ResponseWriter, r *http.Request, who *identity) error {
		if err := c.allowCall(who.user.ID); err != nil {
			return err
		}
		return h(w, r, who)
	})
}

// table is every call; openapi.yaml describes each.
func (c *Chat) table() []route {
	const conv, msg = "/v1/conversations/{conv}", "/v1/conversations/{conv}/messages/{seq}"
	return []route{
		{"GET /healthz", c.getHealth},
		{"GET /v1/openapi.yaml", described(api.OpenAPI)},
		{"GET /v1/asyncapi.yaml", described(api.AsyncAPI)},

		{"POST /v1/accounts", c.postAccounts},
		{"POST /v1/sessions", c.postSessions},
		{"GET /v1/sessions", c.limited(c.getSessions)},
		{"DELETE /v1/sessions/{session}", c.limited(c.deleteSession)},
		{"GET /v1/me", c.limited(c.getMe)},
		{"PATCH /v1/me", c.limited(c.patchMe)},
		{"DELETE /v1/me", c.limited(c.deleteMe)},
		{"POST /v1/me/password", c.limited(c.postPassword)},
		{"GET /v1/users", c.limited(c.getUsers)},
		{"GET /v1/users/{username}", c.limited(c.getUser)},
		{"PUT /v1/blocks/{username}", c.limited(c.putBlock)},
		{"DELETE /v1/blocks/{username}", c.limited(c.deleteBlock)},
		{"GET /v1/blocks", c.limited(c.getBlocks)},
		{"GET /v1/export", c.limited(c.getExport)},

		{"POST /v1/conversations", c.limited(c.postConversations)},
		{"GET /v1/conversations", c.limited(c.getConversations)},
		{"GET " + conv, c.limited(c.getConversation)},
		{"PATCH " + conv, c.limited(c.patchConversation)},
		{"DELETE " + conv, c.limited(c.deleteConversation)},
		{"PUT " + conv + "/settings", c.limited(c.putSettings)},
		{"GET " + conv + "/members", c.limited(c.getMembers)},
		{"PUT " + conv + "/members/{username}", c.limited(c.putMember)},
		{"DELETE " + conv + "/members/{username}", c.limited(c.deleteMember)},
		{"POST " + conv + "/invite", c.limited(c.postInvite)},
		{"DELETE " + conv + "/invite", c.limited(c.deleteInvite)},
		{"GET /v1/invites/{code}", c.limited(c.getInvite)},
		{"POST /v1/invites/{code}", c.limited(c.postInvited)},

		{"POST " + conv + "/messages", c.signedIn(c.postMessages)},
		{"GET " + conv + "/messages", c.limited(c.getMessages)},
		{"GET " + msg, c.limited(c.getMessage)},
		{"PATCH " + msg, c.limited(c.patchMessage)},
		{"DELETE " + msg, c.limited(c.deleteMessage)},
		{"PUT " + msg + "/reactions/{emoji}", c.limited(c.putReaction)},
		{"DELETE " + msg + "/reactions/{emoji}", c.limited(c.deleteReaction)},
		{"GET " + msg + "/receipts", c.limited(c.getReceipts)},
		{"POST " + conv + "/marks", c.limited(c.postMarks)},
		{"POST " + conv + "/typing", c.limited(c.postTyping)},
		{"GET /v1/search", c.limited(c.getSearch)},
		{"GET /v1/presence", c.limited(c.getPresence)},

		{"POST /v1/blobs", c.limited(c.postBlobs)},
		{"GET /v1/blobs/{blob}", c.getBlob},
		{"GET /v1/events", c.limited(c.getEvents)},
		{"GET /v1/ws", c.serveWS},
	}
}

// routes is everything that the service serves.
func (c *Chat) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range c.table() {
		mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) {
			if err := r.handle(w, req); err != nil {
				c.fail(w, err)
			}
		})
	}
	page(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.cors(w, r) {
			return
		}
		if _, pattern := mux.Handler(r); pattern == "" {
			c.fail(w, unrouted(mux, w, r))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// described serves a description of the protocol.
func described(file []byte) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, _ *http.Request) error {
		h := w.Header()
		h.Set("Content-Type", "application/yaml") // RFC 9512
		h.Set("Content-Length", strconv.Itoa(len(file)))
		h.Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(file) // the client is gone, or it is not
		return nil
	}
}

// unrouted finds out whether it is the path or only the method that is unknown,
// and which methods would do.
func unrouted(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) *Error {
	var probe answerProbe
	mux.ServeHTTP(&probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", probe.Header().Get("Allow"))
		return &Error{Code: CodeBadRequest, Status: probe.status, Message: "this path does not take " + r.Method}
	}
	return notFound("there is nothing at this path")
}

// answerProbe is a ResponseWriter that keeps the head of an answer only.
type answerProbe struct {
	header http.Header
	status int
}

func (p *answerProbe) Header() http.Header {
	if p.header == nil {
		p.header = http.Header{}
	}
	return p.header
}
func (p *answerProbe) WriteHeader(status int)      { p.status = status }
func (p *answerProbe) Write(b []byte) (int, error) { return len(b), nil }

// cors lets the pages of allowed_origins call the API. It reports whether the
// request was a preflight, and answered.
func (c *Chat) cors(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || !c.originListed(origin) {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Allow-Origin", origin)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// fail answers with the error in its documented form.
func (c *Chat) fail(w http.ResponseWriter, err error) {
	pub := c.blame(err)
	status := pub.status()
	switch {
	case status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", pub.retrySeconds())
	}
	respond(w, status, map[string]*Error{"error": pub})
}

// respond writes v as JSON. What is said here is for one person and one moment.
func respond(w http.ResponseWriter, status int, v any) {
	body := append(encode(v), '\n')
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone, or it is not
}

// readBody decodes a JSON body of at most maxFrame bytes; unknown fields are
// ignored, the Content-Type is not asked for: curl -d sends another one.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFrame))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &Error{Code: CodeTooLarge, Message: "the body has more than 128 KiB"}
	case err != nil:
		return badRequest("the body could not be read")
	case !utf8.Valid(body):
		return badRequest("the body is not valid UTF-8")
	}
	if body = bytes.TrimSpace(body); len(body) == 0 || body[0] != '{' || !json.Valid(body) {
		return badRequest("the body must be one JSON object")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return badRequest("cannot read the body: " + jsonProblem(err))
	}
	return nil
}

// intParam reads an integer of the query; nil where it is absent.
func intParam(r *http.Request, name string) (*int64, error) {
	q := r.URL.Query()
	if !q.Has(name) {
		return nil, nil
	}
	n, err := strconv.ParseInt(q.Get(name), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // then it is the nearest
		return nil, badRequest(name + " must be an integer")
	}
	return &n, nil
}

// checkedLimit is the limit of the query, or the default.
func checkedLimit(r *http.Request) (int, error) {
	given, err := limitParam(r)
	if err != nil {
		return 0, err
	}
	return checkLimit(given)
}

func limitParam(r *http.Request) (*int, error) {
	n, err := intParam(r, "limit")
	if n == nil || err != nil {
		return nil, err
	}
	limit := int(min(max(*n, 0), maxLimit))
	return &limit, nil
}
