package lang

import "sync"

// Each makes a thing, such as a set of templates, once for each language of the interface: the English one at once,
// the others when they are first asked for. It returns the error of the English one; for a language whose thing
// cannot be made the English one stands in.
func Each[T any](create func(*Words) (T, error)) (func(*Words) T, error) {
	english, err := create(speakers()[0])
	if err != nil {
		return nil, err
	}
	made := map[*Words]func() T{}
	for _, w := range speakers() {
		made[w] = sync.OnceValue(func() T {
			out, err := create(w)
			if err != nil {
				return english
			}
			return out
		})
	}
	made[speakers()[0]] = func() T { return english }
	return func(w *Words) T { return made[w]() }, nil
}
