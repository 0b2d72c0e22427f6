import CAutogradSystem

/// Memory to measure with: mapped, touched, page aligned, huge pages advised as the arena does.
@safe struct MeasuringBuffer: ~Copyable {
  /// INVARIANT: `count` floats, mapped until `deinit`.
  let start: UnsafeMutablePointer<Float>
  let count: Int

  private var byteCount: Int { max(64, (count * 4 + 63) / 64 * 64) }

  /// Numbers between −1 and 1 that repeat after 2003; nil where the system has no memory for them.
  init?(count: Int) {
    self.count = count
    let bytes = max(64, (count * 4 + 63) / 64 * 64)
    guard let mapped = unsafe csystem_map(bytes, bytes >= 8 << 20 ? 1 : 0) else { return nil }
    unsafe start = mapped.bindMemory(to: Float.self, capacity: count)
    let pattern = min(count, 2003)
    for index in 0..<pattern { unsafe start[index] = Float((index &* 7919) % 2003) / 1001 - 1 }
    var filled = pattern
    while filled < count {
      let next = min(filled, count - filled)
      unsafe (start + filled).update(from: start, count: next)
      filled += next
    }
  }

  deinit { unsafe csystem_unmap(start, byteCount) }
}
