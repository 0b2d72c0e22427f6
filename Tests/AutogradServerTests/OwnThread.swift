import Dispatch

/// For tests that wait: they have a thread of their own, and leave those of tasks, on which the server runs, alone.
@globalActor actor OwnThread {
  static let shared = OwnThread()

  private static let executor = QueueExecutor()

  nonisolated var unownedExecutor: UnownedSerialExecutor { OwnThread.executor.asUnownedSerialExecutor() }
}

private final class QueueExecutor: SerialExecutor {
  private let queue = DispatchQueue(label: "tests that wait")

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
  }
}
