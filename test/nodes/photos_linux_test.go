package nodes

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A poster uploads pictures, whole or in parts, and posts them, each request at
// whichever node answers.
type poster struct {
	walker
	ledger
	name, token string
	over        atomic.Bool
	work        sync.WaitGroup

	posts sync.Map // ids of posts by caption
}

// postPause is between two posts of a poster.
const postPause = 250 * time.Millisecond

func newPoster(c *cluster, name string) *poster {
	c.t.Helper()
	p := &poster{walker: walker{c: c}, name: name}
	p.token = photosToken(c, name)
	for i, do := range []func(caption string) error{p.postWhole, p.postInParts} {
		p.work.Go(func() {
			for n := 0; !p.over.Load(); n++ {
				if err := do(fmt.Sprintf("%s-%d-%d", name, i, n)); err != nil {
					p.fault("%v", err)
				}
				time.Sleep(postPause)
			}
		})
	}
	return p
}

// photosToken makes an account.
func photosToken(c *cluster, name string) string {
	c.t.Helper()
	var got struct {
		Token string `json:"access_token"`
	}
	must(c.t, call(http.MethodPost, c.nodes[0].photos+"/api/v1/accounts", "", credentials(name), &got))
	return got.Token
}

// leave returns when what has begun is brought to its end.
func (p *poster) leave() {
	p.over.Store(true)
	p.work.Wait()
}

// draft is a picture that there was not before: the caption is in its colours.
func draft(caption string) []byte {
	m := image.NewRGBA(image.Rect(0, 0, 96, 64))
	seed := sha256.Sum256([]byte(caption))
	for y := range 64 {
		for x := range 96 {
			m.SetRGBA(x, y, color.RGBA{seed[x/8] + uint8(y), seed[y/4] + uint8(x), seed[(x+y)/8], 255})
		}
	}
	var b bytes.Buffer
	_ = jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}) // to memory
	return b.Bytes()
}

// postWhole uploads a picture in one request.
func (p *poster) postWhole(caption string) error {
	file := draft(caption)
	var m struct{ ID string }
	if err := p.insist(func(n *node) error { return p.upload(n, file, &m) }); err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	return p.post(caption, m.ID, file)
}

// upload uploads a picture to a node.
func (p *poster) upload(n *node, file []byte, into any) error {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile("file", "a.jpg")
	if err == nil {
		_, err = part.Write(file)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	_, got, err := ask(http.MethodPost, n.photos+"/api/v2/media", p.token, body{w.FormDataContentType(), b.Bytes()})
	if err == nil && into != nil {
		err = json.Unmarshal(got, into)
	}
	return err
}

// postInParts uploads a picture by tus, each part at another node, and goes on where
// it was cut.
func (p *poster) postInParts(caption string) error {
	file, path := draft(caption), ""
	tus := func(method, path string, b []byte, headers ...string) (res *http.Response, err error) {
		err = p.insist(func(n *node) error {
			res, _, err = ask(method, n.photos+path, p.token, body{"application/offset+octet-stream", b}, append(headers, "Tus-Resumable", "1.0.0")...)
			return err
		})
		return res, err
	}
	res, err := tus(http.MethodPost, "/api/portico/v1/uploads", nil, "Upload-Length", strconv.Itoa(len(file)))
	if err == nil {
		path, err = pathOf(res.Header.Get("Location"))
	}
	if err != nil {
		return fmt.Errorf("begin an upload: %w", err)
	}
	for at := 0; ; p.at.Add(1) {
		// Where an answer was lost, more can be there than is known.
		res, err := tus(http.MethodHead, path, nil)
		if err != nil {
			return fmt.Errorf("an upload of which %d bytes were acknowledged: %w", at, err)
		}
		if id := res.Header.Get("Portico-Media-Id"); id != "" {
			return p.post(caption, id, file)
		}
		is, err := strconv.Atoi(res.Header.Get("Upload-Offset"))
		if err != nil || is < at || is > len(file) {
			return fmt.Errorf("%d bytes were acknowledged, the upload is at %q", at, res.Header.Get("Upload-Offset"))
		}
		at = is
		next := min(at+len(file)/3+1, len(file))
		n := p.c.nodes[p.at.Load()%nodeCount]
		_, _, err = ask(http.MethodPatch, n.photos+path, p.token, body{"application/offset+octet-stream", file[at:next]},
			"Tus-Resumable", "1.0.0", "Upload-Offset", strconv.Itoa(at))
		if err == nil {
			at = next
		} else {
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func pathOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	return u.Path, nil
}

// post posts a picture once it is made. The same key twice does not post it twice.
func (p *poster) post(caption, media string, file []byte) error {
	for {
		status := 0
		if err := p.insist(func(n *node) error {
			res, _, err := ask(http.MethodGet, n.photos+"/api/v1/media/"+media, p.token, body{})
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
		time.Sleep(50 * time.Millisecond)
	}
	var got struct{ ID string }
	if err := p.insist(func(n *node) error {
		_, b, err := ask(http.MethodPost, n.photos+"/api/v1/statuses", p.token, jsonBody(map[string]any{"status": caption, "media_ids": []string{media}}), "Idempotency-Key", caption)
		if err == nil {
			err = json.Unmarshal(b, &got)
		}
		return err
	}); err != nil {
		return fmt.Errorf("post: %w", err)
	}
	p.posts.Store(got.ID, caption)
	p.keep(caption, func(n *node) error { return p.look(n, got.ID, caption, file) })
	return nil
}

// A shown is a post as everybody sees it.
type shown struct {
	ID, Content string
	Media       []struct{ URL string } `json:"media_attachments"`
}

// look reads a post at a node, and its picture byte for byte.
func (p *poster) look(n *node, id, caption string, file []byte) error {
	var s shown
	if err := call(http.MethodGet, n.photos+"/api/v1/statuses/"+id, p.token, nil, &s); err != nil {
		return err
	}
	if !strings.Contains(s.Content, caption) || len(s.Media) != 1 {
		return fmt.Errorf("post %s of %s is %+v", id, caption, s)
	}
	path, err := pathOf(s.Media[0].URL)
	if err != nil {
		return err
	}
	_, got, err := ask(http.MethodGet, n.photos+path, p.token, body{})
	if err == nil && !bytes.Equal(got, file) {
		err = fmt.Errorf("the picture of %s has %d bytes, and not those that were sent", caption, len(got))
	}
	return err
}

// all are the captions of a poster's posts as a node has them, and how often.
func (p *poster) all(n *node) (map[string]int, error) {
	var me struct{ ID string }
	if err := call(http.MethodGet, n.photos+"/api/v1/accounts/verify_credentials", p.token, nil, &me); err != nil {
		return nil, err
	}
	captions, before := map[string]int{}, ""
	for {
		var list []shown
		if err := call(http.MethodGet, n.photos+"/api/v1/accounts/"+me.ID+"/statuses?limit=40"+before, p.token, nil, &list); err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return captions, nil
		}
		for _, s := range list {
			captions[strings.TrimSuffix(strings.TrimPrefix(s.Content, "<p>"), "</p>")]++
			before = "&max_id=" + s.ID
		}
	}
}
