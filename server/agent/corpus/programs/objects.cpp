/* SPDX-License-Identifier: Apache-2.0 */
/* Ways in which C++ code calls C++ code, over and over in two threads until it is killed. Prints a line when it has begun. */
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#ifdef __clang__
#define KEEP __attribute__((noinline))
#else
#define KEEP __attribute__((noipa))
#endif

static std::uint64_t round_trip(std::uint64_t seed)
{
	for (std::uint32_t i = 0; i < 60000; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
	}
	return seed;
}

KEEP std::uint64_t burn(std::uint64_t seed)
{
	return round_trip(seed);
}

KEEP std::uint64_t throw_deep(int depth, std::uint64_t seed)
{
	std::string text = std::to_string(seed);
	if (depth == 0) {
		burn(seed);
		throw std::runtime_error(text);
	}
	return throw_deep(depth - 1, seed + depth) + text.size();
}

KEEP std::uint64_t burn_after_catch(std::uint64_t seed)
{
	return burn(seed) + 1;
}

KEEP std::uint64_t exception_case(std::uint64_t seed)
{
	std::uint64_t sum = 0;
	for (int i = 0; i < 20; i++) {
		try {
			sum += throw_deep(12, seed + i);
		} catch (const std::exception &error) {
			sum += burn_after_catch(seed) + error.what()[0];
		}
	}
	return sum;
}

KEEP bool is_before(std::uint64_t left, std::uint64_t right)
{
	volatile std::uint64_t work = left;
	for (int i = 0; i < 10; i++)
		work = work * 3;
	return left < right;
}

KEEP std::uint64_t sort_case(std::uint64_t seed)
{
	std::vector<std::uint64_t> numbers(4000);
	std::mt19937_64 random(seed);
	for (auto &number : numbers)
		number = random();
	std::sort(numbers.begin(), numbers.end(), [](auto a, auto b) { return is_before(a, b); });
	return numbers[seed % numbers.size()];
}

KEEP std::uint64_t call_back(const std::function<std::uint64_t(std::uint64_t)> &function, std::uint64_t seed)
{
	return function(seed) + 1;
}

KEEP std::uint64_t function_case(std::uint64_t seed)
{
	std::vector<int> captured(100, 3);
	std::uint64_t sum = 0;
	for (int i = 0; i < 30; i++)
		sum += call_back([&captured, i](std::uint64_t value) { return burn(value + i) + captured.size(); }, seed);
	return sum;
}

struct Shape {
	virtual ~Shape() = default;
	virtual std::uint64_t area(std::uint64_t seed) const = 0;
};

struct Square final : Shape {
	KEEP std::uint64_t area(std::uint64_t seed) const override
	{
		return burn(seed) + 4;
	}
};

struct Circle final : Shape {
	KEEP std::uint64_t area(std::uint64_t seed) const override
	{
		return burn(seed) * 3;
	}
};

KEEP std::uint64_t virtual_case(std::uint64_t seed)
{
	std::vector<std::unique_ptr<Shape>> shapes;
	for (int i = 0; i < 30; i++) {
		if (i & 1)
			shapes.push_back(std::make_unique<Square>());
		else
			shapes.push_back(std::make_unique<Circle>());
	}
	std::uint64_t sum = 0;
	for (const auto &shape : shapes)
		sum += shape->area(seed);
	return sum;
}

KEEP std::uint64_t container_case(std::uint64_t seed)
{
	std::map<std::string, std::uint64_t> words;
	for (int i = 0; i < 1500; i++) {
		std::ostringstream stream;
		stream << "word " << (seed + i) % 977 << ' ' << i / 7.0;
		words[stream.str()] += i;
	}
	return words.size();
}

KEEP void work(std::uint64_t seed)
{
	volatile std::uint64_t sink = seed;
	for (;;) {
		sink = sink + exception_case(sink);
		sink = sink + sort_case(sink);
		sink = sink + function_case(sink);
		sink = sink + virtual_case(sink);
		sink = sink + container_case(sink);
	}
}

int main()
{
	std::thread other([] { work(7); });
	std::puts("ready");
	std::fflush(stdout);
	work(3);
}
