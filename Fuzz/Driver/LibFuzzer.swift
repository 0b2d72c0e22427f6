#if FUZZING
  import AutogradFuzzTargets

  /// What libFuzzer's callback, which can capture nothing, is to try.
  /// INVARIANT: written once, before libFuzzer starts, on the one thread that it calls back on.
  nonisolated(unsafe) private var chosen: FuzzTarget?

  /// libFuzzer's main loop; linked in by `-sanitize=fuzzer`.
  @_silgen_name("LLVMFuzzerRunDriver")
  private func runLibFuzzer(
    _ argumentCount: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ attempt: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
  ) -> CInt

  /// Hands the process over to libFuzzer, with its arguments less the target's name.
  func fuzz(_ target: FuzzTarget) -> CInt {
    unsafe chosen = target
    // INVARIANT: argv holds argc pointers and a nil behind them, and lives as long as the process. The target's name
    // stands at 1, so the arguments from there on are this program's name and what follows the target.
    var arguments = unsafe CommandLine.unsafeArgv + 1
    unsafe arguments[0] = CommandLine.unsafeArgv[0]
    var count = CommandLine.argc - 1
    return unsafe runLibFuzzer(&count, &arguments) { start, count in
      // libFuzzer's bytes live for the duration of the call; there are `count` of them, and no address for none.
      let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: start == nil ? 0 : count))
      if let target = unsafe chosen { _ = FuzzDriver.attempt(bytes, target) }
      return 0
    }
  }
#endif
