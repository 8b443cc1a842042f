package systemd

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

const gallery = "127.0.0.1:8086"

// pictures are made by workers, which must be able to work and to lock themselves
// up under the unit, and AVIF by code that is compiled as it runs.
func (d *driving) pictures() (err error) {
	dir := "/srv/pictures"
	if err := errors.Join(os.MkdirAll(dir, 0o755), draw(dir+"/a.jpg")); err != nil {
		return err
	}
	text := d.config("pictures") + `
service "images" "gallery" { root = "` + dir + `" }
listener "gallery" {
  address = "` + gallery + `"
  service = service.images.gallery
}
`
	// Workers say at their start how they are locked up.
	if err := d.use(strings.Replace(text, "log {", "log {\n  level = \"debug\"", 1), "restart"); err != nil {
		return err
	}
	for _, format := range []string{"jpeg", "webp", "avif"} {
		got := ""
		if err := eventually("a picture as "+format, func() bool {
			got, err = contentType("http://" + gallery + "/a.jpg?w=640&fmt=" + format)
			return err != nil || got == "image/"+format
		}); err != nil {
			return fmt.Errorf("%w; it is %s", err, got)
		}
		if err != nil {
			return err
		}
	}
	if log := lines("worker"); !strings.Contains(log, "landlock") || !strings.Contains(log, "seccomp") {
		return fmt.Errorf("the workers are not locked up:\n%s", log)
	}
	return os.RemoveAll(dir)
}

// journal is the end of what portico said, and of what systemd said about it.
func journal(n int) string {
	out, _ := exec.Command("journalctl", "--no-pager", "-u", "portico", "-n", strconv.Itoa(n)).Output()
	return string(out)
}

func contentType(url string) (string, error) {
	res, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", url, res.Status)
	}
	return res.Header.Get("Content-Type"), nil
}

// draw makes a picture that gets smaller with every better format.
func draw(path string) error {
	m := image.NewRGBA(image.Rect(0, 0, 1600, 1200))
	for y := range 1200 {
		for x := range 1600 {
			m.SetRGBA(x, y, color.RGBA{uint8(x / 7), uint8(y / 5), uint8((x*x + y*y) / 9000), 255})
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(jpeg.Encode(f, m, &jpeg.Options{Quality: 92}), f.Chmod(0o644), f.Close())
}
