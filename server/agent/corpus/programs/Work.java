// SPDX-License-Identifier: Apache-2.0

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** Java code that the JVM compiles, until it is killed. Prints a line when it has been compiled. */
public final class Work {
  private static long burn(long seed) {
    for (int i = 0; i < 50_000; i++) {
      seed ^= seed << 13;
      seed ^= seed >>> 7;
      seed ^= seed << 17;
    }
    return seed;
  }

  private static long descend(int depth, long seed) {
    return depth == 0 ? burn(seed) + 1 : descend(depth - 1, seed + depth) * 3;
  }

  private static long sortCase(long seed) {
    List<Long> numbers = new ArrayList<>();
    for (long i = 0; i < 3000; i++) numbers.add((i * 7919 + seed) % 3001);
    numbers.sort(Comparator.naturalOrder());
    return numbers.get(5);
  }

  private static long textCase(long seed) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 2000; i++) text.append(seed).append(' ').append(i / 7.0);
    return text.toString().hashCode();
  }

  public static void main(String[] args) {
    long seed = 3;
    long end = System.nanoTime() + 4_000_000_000L;
    boolean began = false;
    for (;;) {
      seed += descend(20, seed) + sortCase(seed) + textCase(seed);
      if (!began && System.nanoTime() > end) {
        began = true;
        System.out.println("ready");
      }
    }
  }
}
