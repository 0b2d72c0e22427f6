import AutogradBase
import AutogradTraining

/// A plan as people and programs read it.
struct PlanReport {
  let plan: TrainingPlan
  /// The command line that follows the plan, where one was looked for.
  let command: String?
  let time: StepProbe?

  private var stages: [(name: String, bytes: Int)] {
    plan.stages.map { ($0.name, $0.bytes) } + [("backward, at its peak", plan.backward)]
  }

  private var parts: [(name: String, bytes: Int)] {
    [
      ("parameters", plan.parameters), ("gradients", plan.gradients), ("optimiser state", plan.optimizerState),
      ("activations", plan.arena), ("threads' scratch", plan.workspace),
    ] + (plan.tables > 0 ? [("rotary positions", plan.tables)] : []) + [
      ("data", plan.data), ("saving and sampling", plan.saving), ("the process itself", plan.process),
    ]
  }

  // MARK: For people

  var text: String {
    var lines = [
      "\(plan.parameterCount.grouped) parameters\(trained); batches of \(plan.batchSize) × \(plan.blockSize) tokens, "
        + "\(plan.accumulation) per step"
        + (plan.recomputesBlocks ? "; blocks are computed again in backward" : ""), "",
    ]
    for (name, bytes) in parts {
      lines.append(row(name, bytes))
      if name == "activations" { lines += merged.map { row("  " + $0.name, $0.bytes) } }
    }
    lines += [row("total", plan.total), ""]
    if let time {
      lines.append(
        "\((time.secondsPerStep * 1000).fixed(1)) ms per step, measured; "
          + "\(time.steps.grouped) steps and their evaluations take about \(time.secondsOfRun.duration)")
    }
    if let command { lines.append("fits with: " + command) }
    while lines.last == "" { lines.removeLast() }
    return lines.joined(separator: "\n")
  }

  private var trained: String {
    plan.trainedCount == plan.parameterCount ? "" : ", \(plan.trainedCount.grouped) to train"
  }

  /// Blocks that keep the same are one line.
  private var merged: [(name: String, bytes: Int)] {
    var result: [(name: String, bytes: Int)] = [], first = 0
    let stages = stages
    while first < stages.count {
      var last = first
      if stages[first].name.hasPrefix("block ") {
        while last + 1 < stages.count, stages[last + 1].name.hasPrefix("block "),
          stages[last + 1].bytes == stages[first].bytes
        { last += 1 }
      }
      let count = last - first + 1
      result.append(
        count == 1
          ? stages[first]
          : ("\(count) blocks of \(stages[first].bytes.bytes)", stages[first...last].reduce(0) { $0 + $1.bytes }))
      first = last + 1
    }
    return result
  }

  private func row(_ name: String, _ bytes: Int) -> String {
    let amount = bytes.bytes
    return name + String(repeating: " ", count: max(1, 40 - name.count - amount.count)) + amount
  }

  // MARK: For programs

  var json: String {
    func number(_ value: Int) -> JSON { .integer(Int64(value)) }
    var members = [
      JSON.Member("batch_size", number(plan.batchSize)), JSON.Member("block_size", number(plan.blockSize)),
      JSON.Member("grad_accum", number(plan.accumulation)), JSON.Member("recompute", .bool(plan.recomputesBlocks)),
      JSON.Member("parameter_count", number(plan.parameterCount)),
      JSON.Member("trained_count", number(plan.trainedCount)),
      JSON.Member("parameter_bytes", number(plan.parameters)), JSON.Member("gradient_bytes", number(plan.gradients)),
      JSON.Member("optimizer_bytes", number(plan.optimizerState)), JSON.Member("arena_bytes", number(plan.arena)),
      JSON.Member(
        "activation_bytes", .object(stages.map { JSON.Member($0.name, number($0.bytes)) })),
      JSON.Member("scratch_bytes", number(plan.workspace)), JSON.Member("table_bytes", number(plan.tables)),
      JSON.Member("data_bytes", number(plan.data)),
      JSON.Member("saving_bytes", number(plan.saving)), JSON.Member("process_bytes", number(plan.process)),
      JSON.Member("total_bytes", number(plan.total)),
      JSON.Member("private_bytes", number(plan.privateTotal)),
      JSON.Member("address_space_bytes", number(plan.addressSpace)),
    ]
    if let time {
      members.append(JSON.Member("seconds_per_step", .number(time.secondsPerStep)))
      members.append(JSON.Member("seconds_of_run", .number(time.secondsOfRun)))
    }
    if let command { members.append(JSON.Member("command", .string(command))) }
    var text = String(decoding: JSON.object(members).serialized(pretty: true), as: UTF8.self)
    while text.last == "\n" { text.removeLast() }
    return text
  }
}
