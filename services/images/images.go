// Package images is the kind that delivers the pictures of a folder, in the size
// that a client asks for. It imports nothing and changes nothing in the folder;
// what it makes lies in a cache that may be emptied at any time. It serves no
// other files; that is kind static.
package images

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/porticod/portico/pkg/durable"
	"github.com/porticod/portico/pkg/picture"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
)

// Type is the kind.
type Type struct {
	// Pictures is the budget that all services share. nil: one of its own for
	// each service.
	Pictures *picture.Pool
}

// Config is the body of a service "images" block.
type Config struct {
	// Root is the folder with the pictures. Nothing outside of it is ever
	// served, whatever links point there. It may be a link that is moved.
	Root settings.Path `hcl:"root"`
	// CacheSize is how much disk the smaller versions of pictures may take
	// together. The least recently used go first. 0 keeps none on disk.
	CacheSize settings.Size `hcl:"cache_size,optional"`
	// Reserve is how much of the disk stays free: with less, the cache shrinks.
	Reserve settings.Size `hcl:"reserve,optional"`
	// MemoryCache is how much memory often requested versions of up to 256 KiB
	// each may take. 0 keeps none in memory.
	MemoryCache settings.Size `hcl:"memory_cache,optional"`
	// SignKey allows any size in addresses that are signed with it. Without it
	// there are only the sizes of the ladder.
	SignKey settings.Secret `hcl:"sign_key,optional"`
	// OldSignKeys are keys whose signatures still count, while addresses that
	// were signed with them are out there. New ones are made with sign_key.
	OldSignKeys []settings.Secret `hcl:"old_sign_keys,optional"`
	// Ladder are the widths in pixels that anybody may ask for, smallest first.
	// What lies between gets the next larger one.
	Ladder []int `hcl:"ladder,optional"`
	// MaxPixels is the largest picture that is made smaller, width times
	// height. Larger ones are delivered only as they are.
	MaxPixels int64 `hcl:"max_pixels,optional"`
	// Quality is that of JPEG where the client does not say, 1 to 100. WebP and AVIF
	// look about the same at the same number, and are smaller.
	Quality int `hcl:"quality,optional"`
	// WebP makes versions in that format too, in the background, for clients that
	// take it (fmt=auto) or ask for it (fmt=webp). Until one is there they get
	// JPEG or PNG.
	WebP bool `hcl:"webp,optional"`
	// AVIF makes versions in that format too, as WebP does (fmt=auto, fmt=avif).
	// Who takes both gets AVIF. Versions of more than 4 megapixels have none.
	AVIF bool `hcl:"avif,optional"`
	// Index shows folders as a page of thumbnails, or as JSON to clients that
	// accept it. Without it only pictures have addresses.
	Index bool `hcl:"index,optional"`
}

const (
	minSide = 16
	maxSide = 8192
	minKey  = 16 // characters of a sign_key

	maxOldKeys = 8
	// maxHot is the size in bytes up to which a version is kept in memory.
	// Above that sendfile is faster than a copy in memory.
	maxHot = 256 << 10
)

// Kind implements service.Type.
func (Type) Kind() string { return "images" }

// Default implements service.Type.
func (Type) Default() Config {
	return Config{
		CacheSize:   1 << 30,
		Reserve:     512 << 20,
		MemoryCache: 64 << 20,
		Ladder:      []int{160, 320, 480, 640, 960, 1080, 1600, 2048},
		MaxPixels:   50_000_000,
		Quality:     picture.DefaultQuality,
		WebP:        true,
		AVIF:        true,
		Index:       true,
	}
}

// Validate implements settings.Validator.
func (c *Config) Validate() error {
	var errs []error
	add := func(attr, summary, format string, args ...any) {
		errs = append(errs, &settings.Error{Attr: attr, Summary: summary, Detail: fmt.Sprintf(format, args...)})
	}
	if fi, err := os.Stat(string(c.Root)); err != nil {
		add("root", "The folder cannot be read", "%v. Make the folder, or name another one.", err)
	} else if !fi.IsDir() {
		add("root", "This is not a folder", "%s is a file. Name the folder that it lies in.", c.Root)
	}
	if n := len(c.Ladder); n < 1 || n > 32 {
		add("ladder", "Wrong number of widths", "There are %d; give between 1 and 32.", n)
	} else if !slices.IsSorted(c.Ladder) || len(slices.Compact(slices.Clone(c.Ladder))) != n {
		add("ladder", "The widths are not in order", "Write each once, smallest first, as in [320, 640, 1080].")
	} else if c.Ladder[0] < minSide || c.Ladder[n-1] > maxSide {
		add("ladder", "A width is out of range", "Widths are between %d and %d pixels.", minSide, maxSide)
	}
	if c.MaxPixels < 1 || c.MaxPixels > 1_000_000_000 {
		add("max_pixels", "This is out of range", "Give a number of pixels between 1 and 1000000000; 50000000 is 50 megapixels.")
	}
	if c.Quality < 1 || c.Quality > 100 {
		add("quality", "This is out of range", "Give a number between 1 and 100; around 80 suits photographs.")
	}
	const random = "Give at least 16 random characters, such as the output of openssl rand -base64 32."
	if n := len(c.SignKey.Reveal()); n > 0 && n < minKey {
		add("sign_key", "The key is too short", random)
	}
	if slices.ContainsFunc(c.OldSignKeys, func(k settings.Secret) bool { return len(k.Reveal()) < minKey }) {
		add("old_sign_keys", "A key is too short", random)
	}
	if n := len(c.OldSignKeys); n > maxOldKeys {
		add("old_sign_keys", "There are too many keys", "There are %d; each bad signature is compared with all of them. Give at most %d.", n, maxOldKeys)
	} else if n > 0 && c.SignKey == "" {
		add("old_sign_keys", "There is no new key", "Set sign_key, or move the key there.")
	}
	for attr, v := range map[string]settings.Size{"cache_size": c.CacheSize, "reserve": c.Reserve, "memory_cache": c.MemoryCache} {
		if v < 0 {
			add(attr, "This is negative", "Give a size such as \"1GiB\", or 0.")
		}
	}
	return errors.Join(errs...)
}

// Probe implements service.Prober.
func (Type) Probe(Config) service.Probe {
	return service.Probe{Kind: service.ProbeHTTP, Path: "/healthz", Status: []int{200}}
}

// Service is a running folder of pictures.
type Service struct {
	ctx      context.Context // of work that outlives the request that began it
	name     string
	log      zerolog.Logger
	pool     *picture.Pool
	cfg      atomic.Pointer[Config]
	lease    *durable.Lease
	disk     *diskCache
	hot      *otter.Cache[version, *object] // bounded by bytes
	known    *otter.Cache[ident, *facts]    // bounded by number
	sights   *otter.Cache[string, *sight]   // bounded by bytes; by name
	listings *otter.Cache[string, *listing] // bounded by bytes; by name
	m        *metrics

	work      sync.WaitGroup // goroutines that use what Close releases
	preparing atomic.Bool

	wanted chan wanted // versions to be made when there is time
	noAVIF atomic.Bool // the program or the system cannot write it

	mu      sync.Mutex
	calls   map[version]*call // guarded by mu: versions that are being made
	backlog map[version]bool  // guarded by mu: those in wanted
}

var (
	_ service.Updater[Config] = (*Service)(nil)
	_ service.Checker         = (*Service)(nil)
	_ service.Metered         = (*Service)(nil)
)

// maxKnown is how many pictures' headers are remembered, about 200 bytes each.
const maxKnown = 20_000

// Open implements service.Type.
func (t Type) Open(ctx context.Context, env service.Env, cfg Config) (*Service, error) {
	if err := durable.MkdirAll(env.Dir, 0o700); err != nil {
		return nil, err
	}
	lease, err := durable.Acquire(filepath.Join(env.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("open the cache of pictures: %w", err)
	}
	s := &Service{
		ctx: ctx, name: env.Name, pool: t.Pictures, lease: lease, calls: map[version]*call{},
		wanted: make(chan wanted, maxBacklog), backlog: map[version]bool{},
		// A disk that fails is one event, not one for each request.
		log: env.Log.Sample(&zerolog.BurstSampler{Burst: 5, Period: time.Minute}),
	}
	if s.pool == nil {
		s.pool = picture.NewPool(picture.Options{})
	}
	if s.disk, err = openDisk(filepath.Join(env.Dir, "cache"), freeSpace); err != nil {
		return nil, errors.Join(err, lease.Release())
	}
	s.hot = otter.Must(&otter.Options[version, *object]{
		MaximumWeight: uint64(max(cfg.MemoryCache, 1)),
		Weigher:       func(_ version, o *object) uint32 { return o.weight() },
	})
	s.sights = otter.Must(&otter.Options[string, *sight]{
		MaximumWeight: maxSights,
		Weigher:       func(_ string, g *sight) uint32 { return g.weight() },
	})
	s.listings = otter.Must(&otter.Options[string, *listing]{
		MaximumWeight: maxListings,
		Weigher:       func(_ string, l *listing) uint32 { return l.weight() },
	})
	s.known = otter.Must(&otter.Options[ident, *facts]{MaximumSize: maxKnown})
	s.m = newMetrics(s)
	if s.noAVIF.Store(!picture.AVIF.Writable()); s.noAVIF.Load() && cfg.AVIF {
		s.log.Info().Msg("AVIF is not made: this program was built without its encoder")
	}
	s.Update(cfg)
	s.work.Go(s.makeWanted)
	s.work.Go(func() { s.disk.load(ctx) }) // which evicts by the limits that Update set
	return s, nil
}

// Update implements service.Updater: every option takes effect with the next
// request.
func (s *Service) Update(cfg Config) {
	s.cfg.Store(&cfg)
	s.disk.limit(int64(cfg.CacheSize), int64(cfg.Reserve))
	s.hot.SetMaximum(uint64(max(cfg.MemoryCache, 1)))
}

// Check implements service.Checker: the folder can be opened.
func (s *Service) Check(context.Context) error {
	root, err := os.OpenRoot(string(s.cfg.Load().Root))
	if err != nil {
		return fmt.Errorf("open the root: %w", err)
	}
	return root.Close()
}

// Collectors implements service.Metered.
func (s *Service) Collectors() []prometheus.Collector { return s.m.all }

// Close implements service.Service. It waits for versions that are being made;
// they end with the service's context.
func (s *Service) Close() error {
	s.work.Wait()
	s.hot.StopAllGoroutines()
	s.known.StopAllGoroutines()
	s.sights.StopAllGoroutines()
	s.listings.StopAllGoroutines()
	return s.lease.Release()
}
