// Package verify puts the daemon to the test: it runs workers as processes of their own on a real Redis, puts load on
// them, does to them what goes wrong in life, and then accounts for every message.
//
// A run has these parts, a file each:
//
//	recipe.go     what each message asks of the plugin, from the seed
//	plan.go       which fault happens when and to whom, from the seed
//	names.go      the keys of the run, and their removal
//	server.go     the Redis of the run; ownredis.go starts one, with a replica
//	proxy.go      what stands between a worker and Redis, and breaks connections
//	fleet.go      the workers, as child processes
//	load.go       sends the messages
//	watch.go      reads what comes of them into the book
//	book.go       what is known of each message
//	chaos.go      carries the plan out; redisfaults.go the part of it that happens to Redis
//	settle.go     waits until all is done, and looks at what is left in Redis
//	reconcile.go  compares what was sent with what came of it
//	traces.go     looks at what trace and audit tell of each message's end
//	states.go     looks at what the plugin's state counts
//	history.go    tells all that is known of one message
//	run.go        puts the parts together
//
// It is a tool beside the daemon, which is why it talks to Redis itself instead of through package consumer: what it
// checks should not be what it checks with.
package verify
