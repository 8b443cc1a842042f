package photos

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/porticod/portico/pkg/picture/blur"
	"github.com/porticod/portico/services/photos/entity"
)

func parseTemplates(a assets) (*template.Template, error) {
	funcs := template.FuncMap{
		"asset": a.url,
		// What toHTML made is escaped already.
		"safe":     func(s string) template.HTML { return template.HTML(s) }, //nolint:gosec
		"srcset":   srcset,
		"large":    large,
		"shape":    shape,
		"blur":     placeholder,
		"icon":     icon,
		"ago":      ago,
		"size":     bytesText,
		"day":      func(t time.Time) string { return t.UTC().Format("2 January 2006") },
		"date":     func(t entity.Time) string { return time.Time(t).UTC().Format("2 January 2006") },
		"datetime": func(t entity.Time) string { return time.Time(t).UTC().Format(time.RFC3339) },
		"count":    countText,
		"plural":   plural,
		"alt":      alt,
		"list":     func(items ...string) []string { return items },
		"ids":      joinIDs,
	}
	return template.New("").Funcs(funcs).ParseFS(webFiles, "web/*.html")
}

// srcset lists the sizes of a picture.
func srcset(m entity.Media) string {
	var parts []string
	for _, s := range m.Sizes {
		parts = append(parts, s.URL+" "+strconv.Itoa(s.Width)+"w")
	}
	return strings.Join(parts, ", ")
}

// large is the URL for browsers without srcset.
func large(m entity.Media) string {
	if n := len(m.Sizes); n > 0 {
		return m.Sizes[min(n-1, 2)].URL
	}
	if m.URL != nil {
		return *m.URL
	}
	return ""
}

// shapes are the shapes that frames of pictures have, in per cent of their
// height; the style sheet has a class for each. What is longer is cut at its
// ends, as in any feed.
var shapes = []int{75, 80, 90, 100, 115, 133, 150, 178, 191}

// shape is the class of the frame that fits a picture best.
func shape(m entity.Media) string {
	best := shapes[0]
	for _, s := range shapes {
		if abs(m.Meta.Original.Aspect*100-float64(s)) < abs(m.Meta.Original.Aspect*100-float64(best)) {
			best = s
		}
	}
	return "s" + strconv.Itoa(best)
}

func abs(f float64) float64 { return max(f, -f) }

// placeholder is what is shown of a picture until it is there.
func placeholder(m entity.Media) template.URL {
	if m.Blurhash == nil {
		return ""
	}
	return template.URL(blur.DataURL(*m.Blurhash)) //nolint:gosec // a PNG in base64
}

// alt describes a picture for those who do not see it.
func alt(m entity.Media, a entity.Account) string {
	if m.Description != nil {
		return *m.Description
	}
	return "Picture by " + a.DisplayName + ", not described"
}

// ago is a time as people say it.
func ago(t entity.Time) string {
	at := time.Time(t)
	switch d := time.Since(at); {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	case d < 7*24*time.Hour:
		return fmt.Sprintf("%d d", int(d.Hours()/24))
	case at.UTC().Year() == time.Now().UTC().Year():
		return at.UTC().Format("2 Jan")
	}
	return at.UTC().Format("2 Jan 2006")
}

// countText is a number for people: 12,345.
func countText(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func joinIDs(list []entity.ID) string {
	parts := make([]string, len(list))
	for i, id := range list {
		parts[i] = id.String()
	}
	return strings.Join(parts, " ")
}

// icons are drawn in 24 x 24, with lines.
var icons = map[string]string{
	"home":     `<path d="M3 10.5 12 3l9 7.5V21h-6v-6H9v6H3z"/>`,
	"search":   `<circle cx="11" cy="11" r="7"/><path d="m20.5 20.5-4.6-4.6"/>`,
	"explore":  `<circle cx="12" cy="12" r="9"/><path d="m15.5 8.5-2 5-5 2 2-5z"/>`,
	"plus":     `<rect x="3" y="3" width="18" height="18" rx="5"/><path d="M12 8v8M8 12h8"/>`,
	"heart":    `<path d="M12 20.5S3.5 15.6 3.5 9.4A4.6 4.6 0 0 1 12 7a4.6 4.6 0 0 1 8.5 2.400c0 6.2-8.5 11.1-8.5 11.100z"/>`,
	"comment":  `<path d="M20.7 17.300A9 9 0 1 0 17.3 20.700L21 21z"/>`,
	"save":     `<path d="M6 3h12v18l-6-5.500L6 21z"/>`,
	"more":     `<path d="M5.5 12h.01M12 12h.01M18.5 12h.01" stroke-width="2.8"/>`,
	"person":   `<circle cx="12" cy="8" r="4.2"/><path d="M4 21c.6-4.4 3.8-6.5 8-6.500s7.4 2.1 8 6.5"/>`,
	"gear":     `<path d="M4 7h9M17 7h3M4 17h3M11 17h9"/><circle cx="15" cy="7" r="2"/><circle cx="9" cy="17" r="2"/>`,
	"shield":   `<path d="M12 3l7.5 2.800v5.700c0 4.7-3.2 7.8-7.5 9.5-4.3-1.7-7.5-4.8-7.5-9.500V5.800z"/>`,
	"send":     `<path d="M21 3 10 14M21 3l-7 18-4-7-7-4z"/>`,
	"pictures": `<rect x="7" y="3" width="14" height="14" rx="2.5"/><path d="M17 21H5.500A2.5 2.5 0 0 1 3 18.500V7"/>`,
	"grid":     `<path d="M3 3h18v18H3zM9 3v18M15 3v18M3 9h18M3 15h18"/>`,
	"albums":   `<rect x="3" y="7" width="18" height="14" rx="2"/><path d="M6 3.500h12"/>`,
	"left":     `<path d="m15 5-7 7 7 7"/>`,
	"right":    `<path d="m9 5 7 7-7 7"/>`,
	"close":    `<path d="M5 5l14 14M19 5 5 19"/>`,
	"lock":     `<rect x="5" y="10.5" width="14" height="10" rx="2"/><path d="M8 10.500V8a4 4 0 0 1 8 0v2.5"/>`,
	"camera":   `<path d="M3 8h4l1.8-3h6.400L17 8h4v12H3z"/><circle cx="12" cy="13.5" r="3.7"/>`,
	"pin":      `<path d="M9 3h6l-1 6 3.5 4h-11L10 9zM12 13v8"/>`,
	"up":       `<path d="m5 15 7-7 7 7"/>`,
	"down":     `<path d="m5 9 7 7 7-7"/>`,
	"bin":      `<path d="M4 6h16M9 6V3.500h6V6M6.5 6l1 14.500h9l1-14.5"/>`,
}

// icon draws one; it says nothing to who does not see it.
func icon(name string) (template.HTML, error) {
	lines, ok := icons[name]
	if !ok {
		return "", fmt.Errorf("there is no icon %q", name)
	}
	return template.HTML(`<svg class="icon i-` + name + `" viewBox="0 0 24 24" aria-hidden="true">` + lines + `</svg>`), nil //nolint:gosec // of the table
}
