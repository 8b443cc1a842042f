package service

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/porticod/portico/pkg/settings"
)

// Ability is what a service can be handed.
type Ability uint8

const (
	HTTP    Ability = 1 << iota // requests: it is an http.Handler
	Raw                         // connections: it is a ConnHandler
	Packets                     // of UDP: it is a PacketHandler
	Lean                        // it is a LeanHandler
)

// Has reports whether a includes all of b.
func (a Ability) Has(b Ability) bool { return a&b == b }

func (a Ability) String() string {
	var names []string
	for _, one := range []struct {
		ability Ability
		name    string
	}{{HTTP, "http"}, {Raw, "raw"}, {Packets, "udp"}} {
		if a.Has(one.ability) {
			names = append(names, one.name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, "+")
}

// A Kind is a Type without its type parameters, as registries keep it.
type Kind struct {
	name    string
	typ     any
	ability Ability
	config  reflect.Type
	decode  func(hcl.Body, *hcl.EvalContext) (any, hcl.Diagnostics)
	open    func(context.Context, Env, any) (Service, error)
	update  func(Service, any) (commit func(), ok bool)
	probe   func(any) Probe
	speaks  func(any) bool
	needs   func(any) Needs
	sign    func(cfg any, address string, expires time.Time) (string, error) // nil: no Signer
	updates bool
}

// KindOf erases the parameters of t. It panics on a programming mistake: a Type
// that is not comparable, or instances that are neither handler.
func KindOf[C any, S Service](t Type[C, S]) Kind {
	if !reflect.TypeOf(t).Comparable() {
		panic(fmt.Sprintf("service: %T is not comparable", t))
	}
	k := Kind{
		name:    t.Kind(),
		typ:     t,
		ability: abilityOf[S](),
		config:  reflect.TypeFor[C](),
		decode: func(b hcl.Body, ectx *hcl.EvalContext) (any, hcl.Diagnostics) {
			cfg := t.Default()
			diags := settings.Decode(b, ectx, &cfg)
			return cfg, diags
		},
		open: func(ctx context.Context, env Env, cfg any) (Service, error) {
			s, err := t.Open(ctx, env, cfg.(C))
			if err != nil {
				return nil, err // never a typed nil inside the interface
			}
			return s, nil
		},
		update: func(s Service, cfg any) (func(), bool) {
			u, ok := s.(Updater[C])
			return func() { u.Update(cfg.(C)) }, ok
		},
	}
	if k.ability == 0 {
		panic(fmt.Sprintf("service: instances of %T are neither http.Handler nor ConnHandler", t))
	}
	k.updates = reflect.TypeFor[S]().Implements(reflect.TypeFor[Updater[C]]())
	k.probe = func(cfg any) Probe {
		if p, ok := t.(Prober[C]); ok {
			return p.Probe(cfg.(C))
		}
		if k.ability.Has(HTTP) {
			return Probe{Kind: ProbeHTTP, Path: "/"}
		}
		return Probe{Kind: ProbeConnect}
	}
	k.speaks = func(cfg any) bool {
		f, ok := t.(FirstSpeaker[C])
		return ok && f.SpeaksFirst(cfg.(C))
	}
	k.needs = func(cfg any) Needs {
		if n, ok := t.(Needer[C]); ok {
			return n.Needs(cfg.(C))
		}
		return Needs{}
	}
	if f, ok := t.(Signer[C]); ok {
		k.sign = func(cfg any, address string, expires time.Time) (string, error) {
			return f.Sign(cfg.(C), address, expires)
		}
	}
	return k
}

// abilityOf reads off the type of an instance, without one, what it can be
// handed. S is a pointer or an interface type with the methods.
func abilityOf[S Service]() (a Ability) {
	t := reflect.TypeFor[S]()
	if t.Implements(reflect.TypeFor[http.Handler]()) {
		a |= HTTP
	}
	if t.Implements(reflect.TypeFor[ConnHandler]()) {
		a |= Raw
	}
	if t.Implements(reflect.TypeFor[PacketHandler]()) {
		a |= Packets
	}
	if t.Implements(reflect.TypeFor[LeanHandler]()) {
		a |= Lean
	}
	return a
}

// Name is the label of the kind's service blocks.
func (k Kind) Name() string { return k.name }

// Ability is what services of the kind can be handed.
func (k Kind) Ability() Ability { return k.ability }

// UpdatesInPlace reports whether services of the kind keep their instance when
// their configuration changes.
func (k Kind) UpdatesInPlace() bool { return k.updates }

// ConfigType is the type that the kind's blocks are decoded into.
func (k Kind) ConfigType() reflect.Type { return k.config }

// Decode decodes the body of a service block into a Spec.
func (k Kind) Decode(name string, b hcl.Body, ectx *hcl.EvalContext) (Spec, hcl.Diagnostics) {
	cfg, diags := k.decode(b, ectx)
	return Spec{Kind: k, Name: name, Config: cfg}, diags
}

// A Registry is the set of kinds that a daemon knows.
type Registry map[string]Kind

// NewRegistry panics if two kinds share a name.
func NewRegistry(kinds ...Kind) Registry {
	r := make(Registry, len(kinds))
	for _, k := range kinds {
		if _, dup := r[k.name]; dup {
			panic("service: two kinds named " + k.name)
		}
		r[k.name] = k
	}
	return r
}

// Names returns the known kinds in order.
func (r Registry) Names() []string { return slices.Sorted(maps.Keys(r)) }

// A Ref names a service as the config does: service.<kind>.<name>.
type Ref struct{ Kind, Name string }

func (r Ref) String() string { return r.Kind + "." + r.Name }

// A Spec is a validated service block.
type Spec struct {
	Kind   Kind
	Name   string
	Config any // what Kind.Decode made of the body
}

// Ref is the name that routes refer to the service by.
func (s Spec) Ref() Ref { return Ref{s.Kind.name, s.Name} }

// Probe is the request that shows whether the service answers.
func (s Spec) Probe() Probe { return s.Kind.probe(s.Config) }

// SpeaksFirst reports whether the service may speak before its client does.
func (s Spec) SpeaksFirst() bool { return s.Kind.speaks(s.Config) }

// Needs is what the machine has to grant the service.
func (s Spec) Needs() Needs { return s.Kind.needs(s.Config) }

// Signs reports whether the service's kind has signed addresses.
func (s Spec) Signs() bool { return s.Kind.sign != nil }

// Sign signs an address, where Signs says that there is such a thing. See Signer.
func (s Spec) Sign(address string, expires time.Time) (string, error) {
	return s.Kind.sign(s.Config, address, expires)
}

// Same reports whether a service opened from s would behave as one opened from o.
func (s Spec) Same(o Spec) bool {
	return s.Ref() == o.Ref() && s.Kind.typ == o.Kind.typ && reflect.DeepEqual(s.Config, o.Config)
}

// Open starts an instance. The caller closes it.
func (s Spec) Open(ctx context.Context, env Env) (Service, error) {
	return s.Kind.open(ctx, env, s.Config)
}

// UpdateFrom returns the step that moves running, opened from prev, to s in
// place; ok is false where only a new instance will do. Nothing happens before
// commit is called.
func (s Spec) UpdateFrom(prev Spec, running Service) (commit func(), ok bool) {
	if s.Ref() != prev.Ref() || s.Kind.typ != prev.Kind.typ {
		return nil, false
	}
	return s.Kind.update(running, s.Config)
}
