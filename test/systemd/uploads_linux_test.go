package systemd

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// uploads are people who post pictures, whole and in parts, and who send each
// other attachments, until it is over. Whoever gets no answer asks again, with
// the same key, as clients should; what was acknowledged is kept in mind.
type uploads struct {
	photos, chat string        // URLs
	rest         time.Duration // of a client, between two uploads
	done         counter
	over         atomic.Bool
	wg           sync.WaitGroup
	talk         []talker

	mu       sync.Mutex // guards the rest
	kept     []kept
	looked   int             // how many of kept were looked at
	posts    map[string]bool // by caption, that were acknowledged
	messages map[string]bool // by cid
	faults   []string        // broken promises, the first few
}

// kept is something that was acknowledged, and how to see that it is there, whole.
type kept struct {
	name string
	look func() error
}

// uploaders is how many clients start sets going.
const uploaders = 6

// start makes accounts and sets the clients going.
func (u *uploads) start() error {
	u.posts, u.messages = map[string]bool{}, map[string]bool{}
	var err error
	if u.talk, err = u.signUpToTalk(); err != nil {
		return err
	}
	for i := range 2 {
		var got struct {
			Token string `json:"access_token"`
		}
		name := fmt.Sprintf("poster%d", i)
		if err := u.call("POST", u.photos+"/api/v1/accounts", "", jsonBody(map[string]string{"username": name, "password": "correct horse " + name}), &got); err != nil {
			return err
		}
		u.each(func(n int) error { return u.postWhole(got.Token, name+"-whole", 2*n+i) })
		u.each(func(n int) error { return u.postInParts(got.Token, name+"-parts", 2*n+i) })
		u.each(func(n int) error { return u.attach(u.talk[i], n) })
	}
	return nil
}

// each does something again and again until it is over. What has begun is
// brought to its end.
func (u *uploads) each(do func(n int) error) {
	u.wg.Go(func() {
		for n := 0; !u.over.Load(); n++ {
			if err := do(n); err != nil {
				u.fault("%v", err)
			}
			time.Sleep(u.rest/2 + rand.N(u.rest))
		}
	})
}

// end returns when everybody has brought to an end what he had begun.
func (u *uploads) end() {
	u.over.Store(true)
	u.wg.Wait()
}

func (u *uploads) fault(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.faults) < 10 {
		u.faults = append(u.faults, fmt.Sprintf(format, args...))
	}
}

func (u *uploads) keep(what map[string]bool, name string, look func() error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	what[name] = true
	u.kept = append(u.kept, kept{name, look})
}

// A body can be sent once more.
type body struct {
	typ   string
	bytes []byte
}

func jsonBody(v any) body {
	b, _ := json.Marshal(v) // of strings
	return body{"application/json", b}
}

// piecemeal lets a body take a while to come, so that something can happen
// amid it.
type piecemeal struct{ r io.Reader }

func (p piecemeal) Read(b []byte) (int, error) {
	time.Sleep(5 * time.Millisecond)
	return p.r.Read(b[:min(len(b), 8<<10)])
}

// client connects for every request: there is no doubt what became of it.
var client = &http.Client{Timeout: requestTime, Transport: &http.Transport{DisableKeepAlives: true}}

// ask makes one request. Any answer of 400 or above is an error.
func ask(method, url, token string, b body, headers ...string) (*http.Response, []byte, error) {
	req, err := http.NewRequest(method, url, piecemeal{bytes.NewReader(b.bytes)})
	if err != nil {
		return nil, nil, err
	}
	req.ContentLength = int64(len(b.bytes))
	if len(b.bytes) == 0 {
		req.Body = nil
	}
	req.Header.Set("Content-Type", b.typ)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 400 {
		err = fmt.Errorf("%s %s: %s %.200s", method, url, res.Status, got)
	}
	return res, got, err
}

// call makes a request with an answer in JSON.
func (u *uploads) call(method, url, token string, b body, into any, headers ...string) error {
	_, got, err := ask(method, url, token, b, headers...)
	if err == nil {
		err = json.Unmarshal(got, into)
	}
	return err
}

// insist asks until there is an answer. Each time is counted.
func (u *uploads) insist(ask func() error) error {
	for end := time.Now().Add(2 * requestTime); ; time.Sleep(100 * time.Millisecond) {
		begun := time.Now()
		err := ask()
		u.done.count(begun, err)
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// A picture is one that was uploaded.
type picture struct {
	width, height int
	sum           [sha256.Size]byte
}

// draft makes a picture that there was not before.
func draft(n int) (picture, []byte) {
	w, h := 330+n%60, 200+n/60%60
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, color.RGBA{uint8(x + n), uint8(y + n/256), uint8((x ^ y) & 0x3f), 255})
		}
	}
	var b bytes.Buffer
	_ = jpeg.Encode(&b, m, nil) // to memory
	return picture{w, h, sha256.Sum256(b.Bytes())}, b.Bytes()
}

// postWhole uploads a picture in one request and posts it.
func (u *uploads) postWhole(token, series string, n int) error {
	p, file := draft(n)
	form := body{}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", "a.jpg")
	if err == nil {
		_, err = part.Write(file)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	form.typ, form.bytes = w.FormDataContentType(), b.Bytes()
	var m struct{ ID string }
	if err := u.insist(func() error { return u.call("POST", u.photos+"/api/v2/media", token, form, &m) }); err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	return u.post(token, fmt.Sprintf("%s-%d", series, n), m.ID, p)
}

// errNotYet is an answer to ask again for.
var errNotYet = errors.New("the picture is not made yet")

// post posts a picture once it is made; asking twice does not post it twice.
func (u *uploads) post(token, caption, media string, p picture) error {
	for end := time.Now().Add(2 * requestTime); ; time.Sleep(50 * time.Millisecond) {
		status := 0
		if err := u.insist(func() error {
			res, _, err := ask("GET", u.photos+"/api/v1/media/"+media, token, body{})
			if err == nil {
				status = res.StatusCode
			}
			return err
		}); err != nil {
			return fmt.Errorf("%s: what was uploaded is gone: %w", caption, err)
		}
		if status == http.StatusOK {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s: %w", caption, errNotYet)
		}
	}
	var got struct{ ID string }
	if err := u.insist(func() error {
		return u.call("POST", u.photos+"/api/v1/statuses", token, jsonBody(map[string]any{"status": caption, "media_ids": []string{media}}), &got, "Idempotency-Key", caption)
	}); err != nil {
		return fmt.Errorf("post: %w", err)
	}
	u.keep(u.posts, caption, func() error { return u.lookAtPost(got.ID, caption, p) })
	return nil
}

// postInParts uploads a picture by tus and goes on where it was cut.
func (u *uploads) postInParts(token, series string, n int) error {
	p, file := draft(n + 1_000_000)
	caption := fmt.Sprintf("%s-%d", series, n)
	tus := func(method, path string, b []byte, headers ...string) (res *http.Response, err error) {
		err = u.insist(func() error {
			res, _, err = ask(method, path, token, body{"application/offset+octet-stream", b}, append(headers, "Tus-Resumable", "1.0.0")...)
			return err
		})
		return res, err
	}
	res, err := tus("POST", u.photos+"/api/portico/v1/uploads", nil, "Upload-Length", strconv.Itoa(len(file)))
	if err != nil {
		return fmt.Errorf("%s: begin an upload: %w", caption, err)
	}
	path, at := res.Header.Get("Location"), 0
	for {
		// Where an answer was lost, more can be there than is known.
		res, err := tus("HEAD", path, nil)
		if err != nil {
			return fmt.Errorf("%s: an upload of which %d bytes were acknowledged: %w", caption, at, err)
		}
		if id := res.Header.Get("Portico-Media-Id"); id != "" {
			return u.post(token, caption, id, p)
		}
		is, err := strconv.Atoi(res.Header.Get("Upload-Offset"))
		if err != nil || is < at || is > len(file) {
			return fmt.Errorf("%s: %d bytes were acknowledged, the upload is at %q", caption, at, res.Header.Get("Upload-Offset"))
		}
		at = is
		next := min(at+len(file)/3+1, len(file))
		begun := time.Now()
		_, _, err = ask("PATCH", path, token, body{"application/offset+octet-stream", file[at:next]}, "Tus-Resumable", "1.0.0", "Upload-Offset", strconv.Itoa(at))
		u.done.count(begun, err)
		if err == nil {
			at = next
		} else {
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// A talker sends attachments within a conversation.
type talker struct{ name, token, conv string }

// signUpToTalk makes two people who talk to each other.
func (u *uploads) signUpToTalk() ([]talker, error) {
	people := []talker{{name: "sender0"}, {name: "sender1"}}
	for i, p := range people {
		var got struct{ Token string }
		if err := u.call("POST", u.chat+"/v1/accounts", "", jsonBody(map[string]string{"username": p.name, "password": "correct horse " + p.name}), &got); err != nil {
			return nil, err
		}
		people[i].token = got.Token
	}
	for i := range people {
		var got struct{ ID string }
		if err := u.call("POST", u.chat+"/v1/conversations", people[i].token, jsonBody(map[string]string{"kind": "direct", "with": people[1-i].name}), &got); err != nil {
			return nil, err
		}
		people[i].conv = got.ID
	}
	return people, nil
}

// attach sends a message with an attachment.
func (u *uploads) attach(from talker, n int) error {
	file := make([]byte, 20<<10+rand.N(40<<10))
	for i := range file {
		file[i] = byte(rand.Uint32())
	}
	sum, cid := sha256.Sum256(file), fmt.Sprintf("%s-%d", from.name, n)
	var blob struct{ ID string }
	if err := u.insist(func() error {
		return u.call("POST", u.chat+"/v1/blobs?name="+cid, from.token, body{"application/octet-stream", file}, &blob)
	}); err != nil {
		return fmt.Errorf("attachment: %w", err)
	}
	var ack struct{ Seq int64 }
	if err := u.insist(func() error {
		return u.call("POST", u.chat+"/v1/conversations/"+from.conv+"/messages", from.token,
			jsonBody(map[string]any{"cid": cid, "text": "see " + cid, "attachments": []string{blob.ID}}), &ack)
	}); err != nil {
		return fmt.Errorf("message with an attachment: %w", err)
	}
	u.keep(u.messages, cid, func() error { return u.lookAtMessage(from, cid, cmp.Or(ack.Seq, -1), blob.ID, sum) })
	return nil
}

// lookAtMessage reads the message anew, and its attachment byte for byte.
func (u *uploads) lookAtMessage(from talker, cid string, seq int64, blob string, sum [sha256.Size]byte) error {
	var page struct {
		Messages []struct {
			CID         string
			Seq         int64
			Attachments []struct{ ID string }
		}
	}
	if err := u.call("GET", fmt.Sprintf("%s/v1/conversations/%s/messages?around=%d&limit=1", u.chat, from.conv, seq), from.token, body{}, &page); err != nil {
		return err
	}
	if len(page.Messages) != 1 || page.Messages[0].CID != cid || page.Messages[0].Seq != seq || len(page.Messages[0].Attachments) != 1 || page.Messages[0].Attachments[0].ID != blob {
		return fmt.Errorf("%d was acknowledged for %s with %s and is %+v", seq, cid, blob, page.Messages)
	}
	_, got, err := ask("GET", u.chat+"/v1/blobs/"+blob, from.token, body{})
	if err == nil && sha256.Sum256(got) != sum {
		err = fmt.Errorf("the attachment of %s has %d bytes, and not those that were sent", cid, len(got))
	}
	return err
}

// A shown is a post as everybody sees it.
type shown struct {
	ID, Content string
	Media       []struct {
		URL   string
		Sizes []struct {
			Width, Height int
			URL           string
		}
	} `json:"media_attachments"`
}

// lookAtPost reads the post anew: the original byte for byte, and every size.
func (u *uploads) lookAtPost(id, caption string, p picture) error {
	var s shown
	if err := u.call("GET", u.photos+"/api/v1/statuses/"+id, "", body{}, &s); err != nil {
		return err
	}
	if !strings.Contains(s.Content, caption) || len(s.Media) != 1 {
		return fmt.Errorf("post %s of %s is %+v", id, caption, s)
	}
	_, got, err := ask("GET", s.Media[0].URL, "", body{})
	if err != nil {
		return err
	}
	if sha256.Sum256(got) != p.sum {
		return fmt.Errorf("the original of %s has %d bytes, and not those that were sent", caption, len(got))
	}
	if len(s.Media[0].Sizes) < 2 {
		return fmt.Errorf("%s has only the sizes %v", caption, s.Media[0].Sizes)
	}
	for _, size := range s.Media[0].Sizes {
		_, got, err := ask("GET", size.URL, "", body{})
		if err != nil {
			return err
		}
		m, _, err := image.Decode(bytes.NewReader(got))
		if err != nil {
			return fmt.Errorf("%s of %s: %w", size.URL, caption, err)
		}
		is := m.Bounds().Size()
		if is != image.Pt(size.Width, size.Height) || is.X > p.width || is.X*p.height/p.width-is.Y > 1 || is.Y-is.X*p.height/p.width > 1 {
			return fmt.Errorf("%s of %s, which has %d x %d, is %v", size.URL, caption, p.width, p.height, is)
		}
	}
	return nil
}
