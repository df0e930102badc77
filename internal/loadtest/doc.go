// Package loadtest measures the daemon as it runs: it fills a stream, lets a daemon in a process of its own work on it
// with a plugin, and times what comes out, beside a bare loop that only reads, acknowledges and answers.
//
// A run repeats passes, each with keys of its own, and these parts:
//
//	run.go      the passes, in turns, and what follows from them
//	pass.go     one pass: as fast as possible through a backlog, or at a fixed rate
//	names.go    the keys of the run, and their removal
//	server.go   the Redis of the run; ownredis.go starts one
//	payload.go  the messages
//	load.go     sends them; watch.go sees their replies
//	daemon.go   the daemon, as a child process; scrape.go reads what it and Redis tell of themselves
//	bare.go     the loop without a daemon
//	count.go    the proxy at which round trips are counted
//	report.go   figures, medians and ratios; print.go shows them
//
// It also measures, each in a file of its own, what the daemon is held to: proof.go and those that begin with its name.
//
// It is a tool beside the daemon, and talks to Redis itself instead of through package consumer.
package loadtest
