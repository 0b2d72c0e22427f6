import AutogradEngine
import CAutogradV2
import AutogradKernels

@c @implementation func autograd_v2_impl_autograd_accumulate_gradients(_ accumulate: Bool) {
  call("autograd_accumulate_gradients", ()) { context in context.accumulates = accumulate }
}

@c @implementation func autograd_v2_impl_autograd_set_recording(_ recording: Bool) -> Bool {
  call("autograd_set_recording", true) { context in
    defer { context.isRecording = recording }
    return context.isRecording
  }
}

@c @implementation func autograd_v2_impl_autograd_set_seed(_ seed: UInt64) {
  call("autograd_set_seed", ()) { context in
    context.seed = seed
    context.core.seed = seed
    context.draws = RandomDraws()
    context.core.restartRandom(step: 0)
  }
}

@c @implementation func autograd_v2_impl_autograd_set_threads(_ threads: Int32) -> Int32 {
  call("autograd_set_threads", -1) { context throws(Misuse) in
    guard threads > 0, threads <= ThreadPool.mostThreads else {
      throw Misuse("", "\(threads) threads", hint: "give 1 to \(ThreadPool.mostThreads)")
    }
    try context.requireIdle()
    let backend = Backend(pool: ThreadPool(threads: Int(threads)))
    backend.stopsWithoutMemory = false
    context.core.backend = backend
    return 0
  }
}

@c @implementation func autograd_v2_impl_autograd_set_memory_limit(_ bytes: Int) -> Int32 {
  call("autograd_set_memory_limit", -1) { context throws(Misuse) in
    guard bytes >= 0 else { throw Misuse("", "a limit of \(UInt(bitPattern: bytes)) bytes", hint: "0 takes it away") }
    context.core.setByteLimit(bytes == 0 ? nil : bytes)
    context.core.arena.beside = 0
    return 0
  }
}

@c @implementation func autograd_v2_impl_autograd_set_anomaly_mode(_ on: Bool) {
  call("autograd_set_anomaly_mode", ()) { context in context.findsAnomalies = on }
}

@c @implementation func autograd_v2_impl_autograd_version() -> UnsafePointer<CChar>! {
  autograd_v2_state_version()
}
