package postgres

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"reflect"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/porticod/portico/pkg/sqldb"
)

// plain makes arguments what database/sql would make of them, and numbers of
// booleans: so stores keep them. It changes args.
func plain(args []any) ([]any, error) {
	for i, a := range args {
		switch v := a.(type) {
		case int64, []byte, nil:
			continue
		case string:
			args[i] = sqldb.Text(v)
			continue
		case bool:
			args[i] = number(v)
			continue
		}
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		switch of := v.(type) {
		case bool:
			v = number(of)
		case string:
			v = sqldb.Text(of)
		}
		args[i] = v
	}
	return args, nil
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// assign copies a row into what a caller passed to Scan. It takes what
// database/sql takes between these kinds: a store scans the same from both
// engines.
func assign(dest, values []any) error {
	if len(dest) != len(values) {
		return fmt.Errorf("scan: %d columns into %d", len(values), len(dest))
	}
	for i, d := range dest {
		if err := assignOne(d, values[i]); err != nil {
			return fmt.Errorf("scan: column %d: %w", i+1, err)
		}
	}
	return nil
}

func assignOne(dest, v any) error {
	switch n := v.(type) { // what a number's type may be
	case int16:
		v = int64(n)
	case int32:
		v = int64(n)
	case float32:
		v = float64(n)
	case pgtype.Numeric: // a sum of bigint
		i, err := n.Int64Value()
		if err != nil || !i.Valid {
			return fmt.Errorf("a number that is not whole: %v, %w", n, err)
		}
		v = i.Int64
	}
	switch d := dest.(type) { // the usual ones first
	case *int64:
		if n, ok := v.(int64); ok {
			*d = n
			return nil
		}
	case *string:
		if s, ok := v.(string); ok {
			*d = s
			return nil
		}
	case *[]byte:
		switch b := v.(type) {
		case []byte:
			*d = b
			return nil
		case string:
			*d = []byte(b)
			return nil
		case nil:
			*d = nil
			return nil
		}
	case *any:
		*d = v
		return nil
	case sql.Scanner:
		return d.Scan(v)
	}
	target := reflect.ValueOf(dest)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("%T is no pointer", dest)
	}
	return set(target.Elem(), v)
}

// set is for what is left: named types, small integers, booleans that are
// numbers, and pointers for what may be NULL.
func set(target reflect.Value, v any) error {
	if target.Kind() == reflect.Pointer {
		if v == nil {
			target.SetZero()
			return nil
		}
		target.Set(reflect.New(target.Type().Elem()))
		return assignOne(target.Interface(), v)
	}
	switch target.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n, ok := integer(v); ok && !target.OverflowInt(n) {
			target.SetInt(n)
			return nil
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if n, ok := integer(v); ok && n >= 0 && !target.OverflowUint(uint64(n)) {
			target.SetUint(uint64(n))
			return nil
		}
	case reflect.Bool:
		if n, ok := integer(v); ok && (n == 0 || n == 1) {
			target.SetBool(n == 1)
			return nil
		}
	case reflect.Float64:
		switch n := v.(type) {
		case float64:
			target.SetFloat(n)
			return nil
		case int64:
			target.SetFloat(float64(n))
			return nil
		}
	case reflect.String:
		switch s := v.(type) {
		case string:
			target.SetString(s)
			return nil
		case []byte:
			target.SetString(string(s))
			return nil
		case int64:
			target.SetString(strconv.FormatInt(s, 10))
			return nil
		}
	case reflect.Slice:
		if b, ok := v.([]byte); ok && target.Type().Elem().Kind() == reflect.Uint8 {
			target.SetBytes(b)
			return nil
		}
	}
	return fmt.Errorf("%T (%v) into %s", v, v, target.Type())
}

func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case bool:
		return number(n), true
	}
	return 0, false
}
