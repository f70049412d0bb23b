/** Buffers are moved as browsers do it, in Node.js too, where it has not learned it yet: who still reads an array that was resized is found out. */

const { prototype } = ArrayBuffer as { prototype: ArrayBuffer & { transfer?: unknown } };

/** As ES2024 has it. */
export function transfer(this: ArrayBuffer, byteLength: number): ArrayBuffer {
  const moved = new Uint8Array(structuredClone(this, { transfer: [this] }));
  const to = new Uint8Array(byteLength);
  to.set(moved.subarray(0, byteLength));
  return to.buffer;
}

prototype.transfer ??= transfer;
