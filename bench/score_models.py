"""Preference models for bench/scoring_bench.py, made without any library."""
import array
import json
import pathlib
import random
import shutil


def with_score_head(model, folder, seed=1):
    """The language model of a Hugging Face directory with a random score head, which
    makes a preference model of no preference; in `folder`."""
    config = json.loads((model / "config.json").read_text())
    width = config["hidden_size"]
    draw = random.Random(seed)
    head = array.array("f", [draw.gauss(0, width**-0.5) for _ in range(width)]).tobytes()
    folder.mkdir(parents=True)
    with open(model / "model.safetensors", "rb") as source, open(folder / "model.safetensors", "wb") as target:
        header = json.loads(source.read(int.from_bytes(source.read(8), "little")))
        if header["model.norm.weight"]["dtype"] != "F32":
            raise SystemExit(f"{model} has {header['model.norm.weight']['dtype']} weights; wanted F32")
        end = max(tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__")
        header["score.weight"] = {"dtype": "F32", "shape": [1, width], "data_offsets": [end, end + len(head)]}
        text = json.dumps(header).encode()
        target.write(len(text).to_bytes(8, "little") + text)
        shutil.copyfileobj(source, target, 1 << 24)
        target.write(head)
    config |= {"architectures": ["LlamaForSequenceClassification"], "num_labels": 1}
    (folder / "config.json").write_text(json.dumps(config))
    for path in pathlib.Path(model).iterdir():
        if path.name not in ("config.json", "model.safetensors", "generation_config.json"):
            shutil.copy(path, folder)
    return folder
