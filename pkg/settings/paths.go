package settings

import "reflect"

// Paths are the files and folders among decoded settings: every Path in the
// struct cfg and in what it holds, in the order of its fields. Those that are
// unset are left out.
func Paths(cfg any) []Path { return pathsIn(reflect.ValueOf(cfg), nil) }

func pathsIn(v reflect.Value, found []Path) []Path {
	switch v.Kind() {
	case reflect.String:
		if p, ok := v.Interface().(Path); ok && p != "" {
			found = append(found, p)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				found = pathsIn(v.Field(i), found)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			found = pathsIn(v.Index(i), found)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			found = pathsIn(it.Value(), found)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			found = pathsIn(v.Elem(), found)
		}
	}
	return found
}
