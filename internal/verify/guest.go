package verify

import "slices"

// Guest is the module that the workers run, for others that load the daemon. A message is answered once, on the platform
// "verify", if its payload has the array GuestOrders under the key "verify".
func Guest() []byte { return slices.Clone(guest) }

// GuestOrders are the orders of the nth message that is to be answered at once.
func GuestOrders(n int) []int { return []int{n, 0, 1, 0, 0, 0, int(doomNone), 0} }
