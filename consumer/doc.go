// Package consumer is the stream work of the daemon, and the only importer of go-redis: it reads a stream
// with a consumer group, hands each message to a Handler, and makes what the handler did durable.
//
// A Worker serves one stream. Its goroutines, a file each:
//
//	intake.go     takes in what is new and what was abandoned, never more than there is room for, and claims it
//	read.go       the two ways to read what is new
//	lookout.go    waits for what is new, and takes nothing
//	hands.go      the goroutines that handle messages, as many as there are calls at once
//	process.go    the life of one message: handle, commit
//	batch.go      sends commits that are ready together in one script
//	heartbeat.go  keeps what is in flight or parked from looking abandoned, and cancels what was lost
//	monitor.go    measures the stream's lag and warns before it is trimmed unread
//
// The scripts folder holds one Lua script a file; scripts.go runs them.
package consumer
