// SPDX-License-Identifier: Apache-2.0

// Ways in which Go code calls Go code, in two goroutines until it is killed. Prints a line when it has begun.
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
)

//go:noinline
func burn(seed uint64) uint64 {
	for i := 0; i < 60000; i++ {
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
	}
	return seed
}

//go:noinline
func descend(depth int, seed uint64) uint64 {
	if depth == 0 {
		return burn(seed) + 1
	}
	return descend(depth-1, seed+uint64(depth)) * 3
}

//go:noinline
func isBefore(left, right uint64) bool {
	work := left
	for i := 0; i < 50; i++ {
		work = work*3 + right
	}
	return left < right || work == 0
}

//go:noinline
func sortCase(seed uint64) uint64 {
	numbers := make([]uint64, 3000)
	for i := range numbers {
		numbers[i] = (seed + uint64(i)) * 0x9e3779b97f4a7c15
	}
	sort.Slice(numbers, func(i, j int) bool { return isBefore(numbers[i], numbers[j]) })
	return numbers[7]
}

//go:noinline
func recursionCase(seed uint64) uint64 {
	for i := 0; i < 20; i++ {
		seed += descend(30, seed)
	}
	return seed
}

//go:noinline
func formatCase(seed uint64) uint64 {
	words := map[string]int{}
	for i := 0; i < 2000; i++ {
		words[strings.ToUpper(fmt.Sprintf("word %d %f", (seed+uint64(i))%977, float64(i)/7))]++
	}
	return uint64(len(words))
}

//go:noinline
func work(seed uint64) {
	for {
		seed += recursionCase(seed)
		seed += sortCase(seed)
		seed += formatCase(seed)
	}
}

func main() {
	go work(7)
	fmt.Fprintln(os.Stdout, "ready")
	work(3)
}
