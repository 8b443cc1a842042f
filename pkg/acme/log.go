package acme

import (
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/zap/zapcore"
)

// core writes what certmagic logs, with zap, to our log.
type core struct{ log zerolog.Logger }

var _ zapcore.Core = core{}

func level(l zapcore.Level) zerolog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return zerolog.ErrorLevel
	case l == zapcore.WarnLevel:
		return zerolog.WarnLevel
	case l == zapcore.InfoLevel:
		return zerolog.InfoLevel
	}
	return zerolog.DebugLevel
}

// Enabled implements zapcore.LevelEnabler.
func (c core) Enabled(l zapcore.Level) bool {
	return level(l) >= c.log.GetLevel() && level(l) >= zerolog.GlobalLevel()
}

// With implements zapcore.Core.
func (c core) With(fields []zapcore.Field) zapcore.Core {
	return core{c.log.With().Fields(values(fields)).Logger()}
}

// Check implements zapcore.Core.
func (c core) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	ev := c.log.WithLevel(level(e.Level)).Fields(values(fields)) //nolint:zerologlint // sent below
	if e.LoggerName != "" {
		ev = ev.Str("by", e.LoggerName)
	}
	ev.Msg(e.Message)
	return nil
}

// Sync implements zapcore.Core.
func (core) Sync() error { return nil }

// values are the fields by name, as JSON can say them.
func values(fields []zapcore.Field) map[string]any {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(enc)
	}
	for k, v := range enc.Fields {
		if d, ok := v.(time.Duration); ok {
			enc.Fields[k] = d.String()
		}
	}
	return enc.Fields
}
