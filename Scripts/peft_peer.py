"""Answers questions about adapters with PEFT, as JSON on standard output.

The tests in Tests/AutogradModelsTests/AdapterPeerTests.swift ask it, where AUTOGRAD_PYTHON names a Python that has torch,
transformers and peft.

    peft_peer.py has                                  whether peft is there
    peft_peer.py make BASE DIR RANK stable|plain [NAME ...]
                                                      an adapter of random factors over the model in BASE, for weights of
                                                      these names, or all
    peft_peer.py run BASE DIR < {"ids": [...], "targets": [...], "layers": [...]}
                                                      float64 logits of the model with its adapter, the gradients of the
                                                      mean loss for each factor in float64, and how far those that
                                                      float32 gives are from them, as shares of their norms;
                                                      of these layers only, where layers are named
    peft_peer.py prefer BASE DIR BETA RATE STEPS < {"pairs": [[[id, ...], [id, ...]], ...], "answers": N}
                                                      in float64 the losses of DPO and its margins, step by step, while
                                                      gradient descent changes the adapter's factors; of each of a pair
                                                      the last N tokens are the answer, the first is the preferred one
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"


def load(base, folder):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    return PeftModel.from_pretrained(model, folder, is_trainable=True).eval()


def exactly(single):
    """The same model in float64; called inside of exact(), where torch.float32 stands for float64."""
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    config = single.get_base_model().config
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").to(torch.float64)
    model = get_peft_model(model, single.peft_config["default"]).to(torch.float64).eval()
    with torch.no_grad():
        for (name, own), (other, loaded) in zip(model.named_parameters(), single.named_parameters(), strict=True):
            assert name == other, (name, other)
            own.copy_(loaded)
    return model


def gradients(single, ids, targets, is_exact):
    import contextlib

    import torch
    from fixtures import families

    with families.exact() if is_exact else contextlib.nullcontext():
        model = exactly(single) if is_exact else single
        logits = model(torch.tensor([ids])).logits[0]
        torch.nn.functional.cross_entropy(logits, torch.tensor(targets)).backward()
    found = {}
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            found[name.removeprefix("base_model.model.").replace(".default", "")] = parameter.grad.double()
    return logits.detach().double(), found


def run(base, folder):
    import torch

    asked, model = json.load(sys.stdin), load(base, folder)
    logits, exact = gradients(model, asked["ids"], asked["targets"], True)
    _, single = gradients(model, asked["ids"], asked["targets"], False)
    wanted = asked.get("layers")
    if wanted is not None:
        # Of a large model, what these layers have, and the last row of logits.
        exact = {name: g for name, g in exact.items() if any(f".layers.{layer}." in name for layer in wanted)}
        logits = logits[-1:]
    errors = {name: ((single[name] - g).norm() / g.norm()).item() for name, g in exact.items()}
    return {"logits": logits.flatten().tolist(), "gradients": {name: g.flatten().tolist() for name, g in exact.items()},
            "errors": errors}


def prefer(base, folder, beta, rate, steps):
    import torch
    from fixtures import families

    asked, single = json.load(sys.stdin), load(base, folder)
    count, found = asked["answers"], {"losses": [], "margins": []}
    with families.exact():
        model = exactly(single)

        def likelihood(ids):
            scores = torch.log_softmax(model(torch.tensor([ids[:-1]])).logits[0], -1)
            return scores.gather(1, torch.tensor(ids[1:])[:, None])[-count:].sum()

        def differences():
            return torch.stack([likelihood(chosen) - likelihood(rejected) for chosen, rejected in asked["pairs"]])

        with torch.no_grad(), model.disable_adapter():
            reference = differences()
        factors = [parameter for name, parameter in model.named_parameters() if "lora_" in name]
        for _ in range(steps):
            margins = beta * (differences() - reference)
            loss = -torch.nn.functional.logsigmoid(margins).mean()
            for factor, gradient in zip(factors, torch.autograd.grad(loss, factors)):
                with torch.no_grad():
                    factor -= rate * gradient
            found["losses"].append(loss.item())
            found["margins"].append(margins.mean().item())
    return found


def make(base, folder, rank, scaling, names):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(7)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    conv = model.config.model_type == "gpt2"
    config = LoraConfig(r=rank, lora_alpha=3 * rank, use_rslora=scaling == "stable", target_modules=names or "all-linear",
                        fan_in_fan_out=conv, task_type="CAUSAL_LM")
    model = get_peft_model(model, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=6.4 / model.config.hidden_size)
    model.save_pretrained(folder)
    return True


def main():
    task, *rest = sys.argv[1:]
    if task == "has":
        import importlib.util

        answer = importlib.util.find_spec("peft") is not None
    elif task == "make":
        answer = make(rest[0], rest[1], int(rest[2]), rest[3], rest[4:])
    elif task == "run":
        answer = run(*rest)
    elif task == "prefer":
        answer = prefer(rest[0], rest[1], float(rest[2]), float(rest[3]), int(rest[4]))
    else:
        sys.exit(__doc__)
    json.dump(answer, sys.stdout)


main()
