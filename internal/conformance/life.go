package conformance

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
)

func loads(ctx context.Context, k *kit) (string, error) {
	err := k.with(ctx, &world{}, func(p *plugin) error { return p.handle(ctx, message(encode(p.payload()))) })
	if err != nil && k.o.Config == nil && len(k.config) > 0 {
		err = fmt.Errorf("with a configuration that was made from its schema, %v: %w; give it one by --config", k.config, err)
	}
	return "", err
}

func allocates(ctx context.Context, k *kit) (string, error) {
	return "", k.with(ctx, &world{}, func(p *plugin) error {
		for size := 1; size <= 8<<20; size *= 2 {
			for _, n := range []int{size - 1, size, size + 1} {
				if n == 0 || n > 8<<20 {
					continue
				}
				if err := p.Deliver(ctx, n); err != nil {
					return fmt.Errorf("%d bytes: %w", n, err)
				}
			}
		}
		return p.handle(ctx, message(encode(p.payload())))
	})
}

const (
	quiet    = 5000   // calls in which the memory must not grow at all
	patience = 50_000 // calls until then: a garbage collector needs some to find its pace
)

func steady(ctx context.Context, k *kit) (note string, err error) {
	err = k.with(ctx, &world{}, func(p *plugin) error {
		m := message(encode(p.payload()))
		size, since := uint64(0), 0
		for i := 1; i <= patience; i++ {
			if err := p.handle(ctx, m); err != nil {
				return fmt.Errorf("call %d: %w", i, err)
			}
			if now := slices.Max(p.Memories()); now > size {
				size, since = now, i
			}
			if i-since == quiet {
				note = fmt.Sprintf("%d KiB after %d", size>>10, since)
				return nil
			}
		}
		return fmt.Errorf("its memory still grows after %d: it has %d KiB, and grew last at call %d", patience, size>>10, since)
	})
	return note, err
}

func sideBySide(ctx context.Context, k *kit) (string, error) {
	return "", k.with(ctx, &world{size: 2}, func(p *plugin) error {
		g, ctx := errgroup.WithContext(ctx)
		for range 2 {
			g.Go(func() error {
				for range 200 {
					if err := p.handle(ctx, message(encode(p.payload()))); err != nil {
						return err
					}
				}
				return nil
			})
		}
		return g.Wait()
	})
}

func restarts(ctx context.Context, k *kit) (string, error) {
	for range 2 {
		w := &world{}
		if err := k.with(ctx, w, func(p *plugin) error { return p.handle(ctx, message(encode(p.payload()))) }); err != nil {
			return "", err
		}
		if err := w.log.err(); err != nil {
			return "", err
		}
	}
	return "", nil
}
