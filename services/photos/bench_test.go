package photos_test

import "testing"

// BenchmarkPublicTimeline is a page of 20 posts with a picture each.
func BenchmarkPublicTimeline(b *testing.B) {
	s := open(b, "")
	ann := s.signUp("ann")
	for range 25 {
		s.post(ann, "public")
	}
	b.ResetTimer()
	for b.Loop() {
		s.get("/api/v1/timelines/public", "").is(200)
	}
}

// BenchmarkSmallPicture is a preview, as a page asks for dozens of them.
func BenchmarkSmallPicture(b *testing.B) {
	s := open(b, "")
	u := s.post(s.signUp("ann"), "public").Media[0].PreviewURL
	b.ResetTimer()
	for b.Loop() {
		s.get(u, "").is(200)
	}
}

// BenchmarkUpload is a picture of 12 megapixels until it is durable and shown.
func BenchmarkUpload(b *testing.B) {
	s := open(b, "")
	ann := s.signUp("ann")
	file := jpegOf(4000, 3000)
	b.SetBytes(int64(len(file)))
	b.ResetTimer()
	for b.Loop() {
		s.picture(ann, file)
	}
}
