package params

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// The errors that Read returns, wrapped in a sentence that is fit for people.
var (
	ErrMalformed = errors.New("malformed request")   // 400
	ErrTooLarge  = errors.New("request too large")   // 413
	ErrType      = errors.New("unsupported content") // 415
)

var errCount = malformed("more than %d parameters", MaxValues)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// A FileFunc takes a file of a multipart body. It reads r as far as it likes
// and keeps nothing of it; an error ends the reading of the request and is
// returned by Read as it is.
type FileFunc func(name, filename string, r io.Reader) error

// Read reads the query and the body of r. The body wins over the query. With
// file, files of a multipart body are handed to it as they arrive, and the body
// as a whole may have limit bytes; without, files are skipped and the body may
// have MaxText bytes. w is told where the limit is passed, so that the server
// closes the connection.
func Read(w http.ResponseWriter, r *http.Request, limit int64, file FileFunc) (*Values, error) {
	if file == nil {
		limit = MaxText
	}
	v := &Values{}
	if err := v.readBody(w, r, limit, file); err != nil {
		return nil, tooLarge(err)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, malformed("the query cannot be read")
	}
	q := &Values{count: v.count}
	if err := q.addForm(query, r.URL.RawQuery); err != nil {
		return nil, err
	}
	v.count = q.count
	if v.root.fields == nil {
		v.root.fields = make(map[string]*node)
	}
	for name, n := range q.root.fields {
		if v.root.fields[name] == nil {
			v.root.fields[name] = n
		}
	}
	return v, nil
}

func tooLarge(err error) error {
	if over := (*http.MaxBytesError)(nil); errors.As(err, &over) {
		return fmt.Errorf("%w: more than %d bytes", ErrTooLarge, over.Limit)
	}
	return err
}

func (v *Values) readBody(w http.ResponseWriter, r *http.Request, limit int64, file FileFunc) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close") // the body stays unread
		return &http.MaxBytesError{Limit: limit}
	}
	body := http.MaxBytesReader(w, r.Body, limit)
	header := r.Header.Get("Content-Type")
	typ, args, err := mime.ParseMediaType(header)
	if err != nil && header != "" {
		return fmt.Errorf("%w: the content type %q cannot be read", ErrType, header)
	}
	switch {
	case typ == "application/json" || strings.HasSuffix(typ, "+json"):
		return v.readJSON(body)
	case typ == "application/x-www-form-urlencoded":
		return v.readForm(body)
	case typ == "multipart/form-data":
		return v.readMultipart(multipart.NewReader(body, args["boundary"]), file)
	}
	return emptyOnly(body, typ)
}

// emptyOnly accepts a body of a type that carries no parameters only if there
// is nothing in it.
func emptyOnly(body io.Reader, typ string) error {
	n, err := io.ReadFull(body, make([]byte, 1))
	switch {
	case n > 0 && typ == "":
		return fmt.Errorf("%w: send Content-Type with a body: JSON, urlencoded or multipart", ErrType)
	case n > 0:
		return fmt.Errorf("%w: %s; send JSON, urlencoded or multipart", ErrType, typ)
	case errors.Is(err, io.EOF):
		return nil
	}
	return readError(err)
}

func (v *Values) readForm(body io.Reader) error {
	raw, err := readText(body)
	if err != nil {
		return err
	}
	form, err := url.ParseQuery(raw)
	if err != nil {
		return malformed("the form cannot be read")
	}
	return v.addForm(form, raw)
}

// addForm adds form, which was parsed from raw, in the order of raw: the order
// of a[][x]=1&a[][y]=2 has a meaning that a map loses.
func (v *Values) addForm(form url.Values, raw string) error {
	used := make(map[string]int, len(form))
	for pair := range strings.SplitSeq(raw, "&") {
		escaped, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(escaped)
		if err != nil || pair == "" {
			continue // ParseQuery refused what is not readable
		}
		texts := form[name]
		i := used[name]
		used[name]++
		if i >= len(texts) || name == "" {
			continue
		}
		if err := v.add(name, texts[i]); err != nil {
			return err
		}
	}
	return nil
}

func readText(body io.Reader) (string, error) {
	raw, err := io.ReadAll(io.LimitReader(body, MaxText+1))
	if err != nil {
		return "", readError(err)
	}
	if len(raw) > MaxText {
		return "", &http.MaxBytesError{Limit: MaxText}
	}
	return string(raw), nil
}

// readError keeps the error of a limit apart from a client that stopped.
func readError(err error) error {
	if over := (*http.MaxBytesError)(nil); errors.As(err, &over) {
		return err
	}
	return malformed("the body ended early")
}

func (v *Values) readMultipart(mr *multipart.Reader, file FileFunc) error {
	text := int64(MaxText)
	for {
		part, err := mr.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return readError(err)
		}
		if isFile(part) {
			if v.count++; v.count > MaxValues {
				return errCount
			}
			if file == nil {
				continue
			}
			if err := file(part.FormName(), part.FileName(), part); err != nil {
				return err
			}
			continue
		}
		raw, err := io.ReadAll(io.LimitReader(part, text+1))
		if err != nil {
			return readError(err)
		}
		if text -= int64(len(raw)); text < 0 {
			return &http.MaxBytesError{Limit: MaxText}
		}
		if part.FormName() == "" {
			continue
		}
		if err := v.add(part.FormName(), string(raw)); err != nil {
			return err
		}
	}
}

// isFile knows a file also where the client gave it no name.
func isFile(p *multipart.Part) bool {
	if p.FileName() != "" {
		return true
	}
	typ, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
	return strings.HasPrefix(typ, "image/") || typ == "application/octet-stream"
}

func (v *Values) readJSON(body io.Reader) error {
	raw, err := readText(body)
	if err != nil || strings.TrimSpace(raw) == "" {
		return err
	}
	dec := json.NewDecoder(strings.NewReader(raw))
	dec.UseNumber() // ids do not fit into a float
	n, err := v.value(dec, 0)
	if errors.Is(err, ErrMalformed) {
		return err
	}
	if err != nil {
		return malformed("the JSON cannot be read")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return malformed("there is something after the JSON")
	}
	if n == nil || n.scalar || n.list != nil {
		return malformed("the JSON is not an object")
	}
	v.root = *n
	return nil
}

// value reads the next JSON value, as deep as MaxDepth. A null is nil.
func (v *Values) value(dec *json.Decoder, depth int) (*node, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if v.count++; v.count > MaxValues {
		return nil, errCount
	}
	switch t := tok.(type) {
	case json.Delim:
		if depth++; depth > MaxDepth {
			return nil, malformed("the JSON is nested deeper than %d", MaxDepth)
		}
		if t == '[' {
			return v.array(dec, depth)
		}
		return v.object(dec, depth)
	case string:
		return &node{scalar: true, text: t}, nil
	case json.Number:
		return &node{scalar: true, text: t.String()}, nil
	case bool:
		return &node{scalar: true, text: strconv.FormatBool(t)}, nil
	}
	return nil, nil
}

func (v *Values) array(dec *json.Decoder, depth int) (*node, error) {
	n := &node{list: []*node{}}
	for dec.More() {
		e, err := v.value(dec, depth)
		if err != nil {
			return nil, err
		}
		if e != nil {
			n.list = append(n.list, e)
		}
	}
	_, err := dec.Token()
	return n, err
}

func (v *Values) object(dec *json.Decoder, depth int) (*node, error) {
	n := &node{fields: make(map[string]*node)}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		e, err := v.value(dec, depth)
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		if e != nil && n.fields[name] == nil && name != "" {
			n.fields[name] = e
		}
	}
	_, err := dec.Token()
	return n, err
}
