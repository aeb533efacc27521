"""Whole training iterations of PolicyFlow and PPO in PyTorch, written to be fast.

The arithmetic is that of flowmill's graphs. Parameters are dictionaries under the names of tests/reference/README.md, weights
`[in, out]`. With `Choice.compiled` the functions in which a rollout and an update spend their time go through torch.compile.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
import training as common
from problem import parameters

HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)
KL_LOG_OFFSET = 1e-5
ACTIVATIONS = {"mish": F.mish, "elu": F.elu, "tanh": torch.tanh}


@dataclass(frozen=True)
class Choice:
    """Where a PyTorch programmer has a choice that may matter for speed."""

    compiled: bool = False  # torch.compile of a midpoint step, the Gaussian policy and the loss
    rows: str = "fields"  # how a minibatch is gathered: field by field; packed: from one matrix


# --- networks --------------------------------------------------------------------------------------------------------


def after_first(params, mlp, act, x):
    """The rest of an MLP from the first layer's sums."""
    i = 1
    while f"{mlp}.{i}.w" in params:
        x = torch.addmm(params[f"{mlp}.{i}.b"], act(x), params[f"{mlp}.{i}.w"])
        i += 1
    return x


def plain(params, mlp, act, obs):
    """An MLP of the observation."""
    return after_first(params, mlp, act, torch.addmm(params[f"{mlp}.0.b"], obs, params[f"{mlp}.0.w"]))


def embed_time(params, prefix, freqs, t):
    """`[B, E]` of times `[B]`."""
    angle = 2.0 * math.pi * t[:, None] * freqs
    features = torch.cat([torch.cos(angle), torch.sin(angle)], 1)
    hidden = F.mish(torch.addmm(params[f"{prefix}.t1.b"], features, params[f"{prefix}.t1.w"]))
    return torch.addmm(params[f"{prefix}.t2.b"], hidden, params[f"{prefix}.t2.w"])


def fold(setup, params, prefix, freqs):
    """The frozen first layer's parts that need no row: of the grid's times `[2 N + 1, h1]`, of the observation `[o, h1]`."""
    wh = params[f"{prefix}.mlp.0.w"][setup.act :]
    grid = torch.linspace(0.0, 1.0, 2 * setup.steps + 1, device=wh.device)
    times = (embed_time(params, prefix, freqs, grid) + params[f"{prefix}.s.b"]) @ wh + params[f"{prefix}.mlp.0.b"]
    return {"fold.time": times, "fold.state": params[f"{prefix}.s.w"] @ wh}


def folded_velocity(setup, act, frozen, x, time, state):
    """The frozen network from the prepared parts of time and state."""
    return after_first(frozen, "old.mlp", act, torch.addmm(time + state, x, frozen["old.mlp.0.w"][: setup.act]))


# --- policies and losses ---------------------------------------------------------------------------------------------


def midpoint_step(setup):
    """`step(frozen, x, state, start, middle) -> x` over 1 / N of the time; `start`, `middle` `[h1]` are rows of fold.time."""
    act, n = ACTIVATIONS[setup.activation], setup.steps

    def step(frozen, x, state, start, middle):
        half = x + (0.5 / n) * folded_velocity(setup, act, frozen, x, start, state)
        return x + (1.0 / n) * folded_velocity(setup, act, frozen, half, middle, state)

    return step


def log_density(deviation, log_std):
    """Sum over the action of log N(deviation; 0, exp(log_std)^2)."""
    return (-0.5 * (deviation * torch.exp(-log_std)) ** 2 - log_std - HALF_LOG_TAU).sum(1)


def flow_sampler(setup, step):
    """`sample(frozen, obs, z, standard) -> stores`, given a midpoint step."""
    act = ACTIVATIONS[setup.activation]

    def sample(frozen, obs, z, standard):
        state, x, times = obs @ frozen["fold.state"], z, frozen["fold.time"]
        for i in range(setup.steps):
            x = step(frozen, x, state, times[2 * i], times[2 * i + 1])
        log_std = frozen["old.log_std"].clamp(-20.0, 4.0)
        n = standard * torch.exp(log_std)
        value = plain(frozen, "critic.mlp", act, obs)[:, 0]
        return {"z": z, "phi1": x, "n": n, "action": x + n, "logp_old": log_density(n, log_std), "v_old": value}

    return sample


def gaussian_sampler(setup):
    """`sample(frozen, obs, _, standard) -> stores`"""
    act = ACTIVATIONS[setup.activation]

    def sample(frozen, obs, _, standard):
        mu, log_std = plain(frozen, "actor.mlp", act, obs), frozen["old.log_std"].clamp(-20.0, 4.0)
        action = mu + standard * torch.exp(log_std)
        value = plain(frozen, "critic.mlp", act, obs)[:, 0]
        return {"action": action, "mu_old": mu, "logp_old": log_density(action - mu, log_std), "v_old": value}

    return sample


def gaussian_terms(setup, params, frozen, deviation, shift, batch):
    """Clipped ratio loss, entropy of the action noise and KL."""
    log_std, log_old = (p.clamp(-20.0, 4.0) for p in (params["actor.log_std"], frozen["old.log_std"]))
    ratio, adv = torch.exp(log_density(deviation, log_std) - batch["logp_old"]), batch["adv"]
    with torch.no_grad():
        variance = torch.exp(2.0 * log_std)
        kl = torch.log(torch.exp(log_std - log_old) + KL_LOG_OFFSET) - 0.5
        kl = (kl + (torch.exp(2.0 * log_old) + shift**2) / (2.0 * variance)).sum(1).mean()
        outside = ((ratio - 1.0).abs() > setup.clip).float().mean()
    return {
        "loss_pi": -torch.minimum(ratio * adv, ratio.clamp(1.0 - setup.clip, 1.0 + setup.clip) * adv).mean(),
        "loss_g": -setup.w_g * (log_std + HALF_LOG_TAU + 0.5).sum(),
        "kl": kl,
        "clip_fraction": outside,
        "std": torch.exp(log_std.detach()).mean(),
    }


def value_error(setup, value, batch):
    """The critic's loss in the setup's form."""
    v_at, ret = batch["v_old"], batch["ret"]
    clipped = v_at + (value - v_at).clamp(-setup.value_clip, setup.value_clip)
    if setup.value_mode == 0:
        error = torch.maximum((ret - value) ** 2, (ret - clipped) ** 2)
    else:
        error = (ret - (clipped if setup.value_mode == 1 else value)) ** 2
    return setup.value_coef * error.mean()


def with_total(terms):
    """`(loss, means)` of terms whose names begin with `loss`; the means in one vector, which is one addition to sum up."""
    loss = sum(v for k, v in terms.items() if k.startswith("loss"))
    names = sorted(terms)
    return loss, torch.stack([loss.detach(), *(terms[k].detach() for k in names)]), ["loss", *names]


def flow_loss(setup, freqs):
    """`loss(params, frozen, batch, node) -> (loss, means, names)`; `node` `[B]` numbers the grid time of a row."""
    act = ACTIVATIONS[setup.activation]

    def loss(params, frozen, batch, node):
        obs, t = batch["obs"], node.float() / (2 * setup.steps)
        tc = t[:, None]
        x = (1.0 - tc) * batch["z"] + tc * batch["phi1"]
        with torch.no_grad():
            v_old = folded_velocity(setup, act, frozen, x, frozen["fold.time"][node], obs @ frozen["fold.state"])
        # The embeddings of the grid's times are made once and looked up.
        grid = torch.linspace(0.0, 1.0, 2 * setup.steps + 1, device=obs.device)
        embedding = F.embedding(node, embed_time(params, "actor", freqs, grid))
        h = torch.addmm(params["actor.s.b"], obs, params["actor.s.w"]) + embedding
        v = plain(params, "actor.mlp", act, torch.cat([x, h], 1))
        terms = gaussian_terms(setup, params, frozen, batch["n"] - (v - v_old), v.detach() - v_old, batch)
        eta = (1.0 - tc) * v - (x - tc * v_old)
        value = plain(params, "critic.mlp", act, obs)[:, 0]
        return with_total(terms | {"loss_b": setup.w_b * (eta**2).mean(), "loss_v": value_error(setup, value, batch)})

    return loss


def gaussian_loss(setup):
    """`loss(params, frozen, batch, _) -> (loss, means, names)`"""
    act = ACTIVATIONS[setup.activation]

    def loss(params, frozen, batch, _):
        mu = plain(params, "actor.mlp", act, batch["obs"])
        terms = gaussian_terms(setup, params, frozen, batch["action"] - mu, mu.detach() - batch["mu_old"], batch)
        value = plain(params, "critic.mlp", act, batch["obs"])[:, 0]
        return with_total(terms | {"loss_v": value_error(setup, value, batch)})

    return loss


def functions(setup, choice, freqs):
    """`(sample, loss)` of the setup's algorithm, compiled where chosen."""
    wrap = (lambda f: torch.compile(f, dynamic=False)) if choice.compiled else (lambda f: f)
    if not setup.embed:
        return wrap(gaussian_sampler(setup)), wrap(gaussian_loss(setup))
    return flow_sampler(setup, wrap(midpoint_step(setup))), wrap(flow_loss(setup, freqs))


def freeze(setup, params, freqs):
    """Copies of what the rollout and the loss read of the policy that collects."""
    copies = {k: v.detach().clone() for k, v in params.items()}
    old = {"old." + k.removeprefix("actor."): v for k, v in copies.items() if k.startswith("actor.")}
    if not setup.embed:
        return copies | {"old.log_std": old["old.log_std"]}
    return old | fold(setup, old, "old", freqs) | {k: v for k, v in copies.items() if k.startswith("critic.")}


def adamw(setup, params):
    """The optimiser over all parameters."""
    betas = (setup.beta1, setup.beta2)
    return torch.optim.AdamW(params.values(), setup.lr, betas, setup.eps, setup.weight_decay, fused=True)


# --- an iteration ----------------------------------------------------------------------------------------------------


class Program:
    """A training with a choice; `iterate()` does one iteration and returns its metrics."""

    def __init__(self, training, choice, device):
        self.training, self.choice, self.device = training, choice, device
        setup, n = training.setup, training.envs
        multiples = torch.arange(1.0, setup.obs + 1.0, device=device)
        self.env = common.MultiGoal(torch) if training.environment == "multigoal" else common.Widths(torch, multiples)
        params, freqs = parameters(setup, np.random.Generator(np.random.PCG64(1)), training.output_gain)
        params["actor.log_std"][:] = training.init_log_std
        self.params = {k: torch.tensor(v, device=device, requires_grad=True) for k, v in params.items()}
        self.freqs = torch.tensor(freqs, device=device)
        self.sample, self.loss = functions(setup, choice, self.freqs)
        self.optimiser = adamw(setup, self.params)
        self.rate, self.iteration = setup.lr, 0
        self.world = self.env.reset(torch.rand(n, self.env.lanes, device=device))
        self.age = torch.randint(0, self.env.horizon, (n,), device=device)
        self.gain = torch.zeros(n, device=device)

    def iterate(self):
        """Freeze, collect, estimate, update."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * self.training.rate_scale(self.iteration)
        frozen = freeze(self.training.setup, self.params, self.freqs)
        with torch.no_grad():
            batch, counted = self.collect(frozen)
        means = self.update(frozen, batch)
        self.iteration += 1
        return means | counted

    def collect(self, frozen):
        """T steps of every environment: the batch with its advantages, rows of all steps side by side, and statistics."""
        training, env, device = self.training, self.env, self.device
        steps, n, d = training.horizon, training.envs, training.setup.act
        standard = torch.randn(2, steps, n, d, device=device) if training.flow else torch.randn(1, steps, n, d, device=device)
        again = torch.rand(steps, n, env.lanes, device=device)
        rows, rewards, dones, expireds = [], [], [], []
        episodes, returns = torch.zeros((), device=device), torch.zeros((), device=device)
        for t in range(steps):
            obs = env.observe(self.world)
            stores = self.sample(frozen, obs, standard[-1, t], standard[0, t])
            world, reward, outside = env.step(self.world, stores["action"])
            self.age += 1
            self.gain += reward
            expired = ~outside & (self.age >= env.horizon)
            done = outside | expired
            episodes += done.sum()
            returns += (self.gain * done).sum()
            self.world = torch.where(done[:, None], env.reset(again[t]), world)
            self.age.masked_fill_(done, 0)
            self.gain.masked_fill_(done, 0.0)
            rows.append(stores | {"obs": obs})
            rewards.append(reward)
            dones.append(done)
            expireds.append(expired)
        last = plain(frozen, "critic.mlp", ACTIVATIONS[training.setup.activation], env.observe(self.world))[:, 0]
        batch = {k: torch.stack([row[k] for row in rows]) for k in training.fields if k not in ("adv", "ret")}
        batch |= self.advantages(batch["v_old"], *map(torch.stack, (rewards, dones, expireds)), last)
        return {k: v.flatten(0, 1) for k, v in batch.items()}, {"episodes": episodes, "returns": returns}

    def advantages(self, value, reward, done, expired, last):
        """Generalised advantages `[T, n]`, normalised over the rollout, and returns."""
        training = self.training
        alive = training.gamma * (~done).float()
        # A time-out is topped up with the value of the state that was acted in.
        following = torch.cat([value[1:], last[None]])
        delta = reward + training.gamma * value * expired + alive * following - value
        keep, adv = training.lam * alive, torch.empty_like(value)
        running = torch.zeros_like(last)
        for t in reversed(range(training.horizon)):
            running = delta[t] + keep[t] * running
            adv[t] = running
        return {"adv": (adv - adv.mean()) / (adv.std(correction=0) + 1e-8), "ret": adv + value}

    def update(self, frozen, batch):
        """All epochs; the rate adapts after each to the mean KL of all so far."""
        training, setup = self.training, self.training.setup
        rows, sums, done = training.envs * training.horizon, 0.0, 0
        size = rows // training.minibatches
        if self.choice.rows == "packed":
            matrix = torch.cat([batch[k].reshape(rows, w) for k, w in training.fields.items()], 1)
        for _ in range(training.epochs):
            order = torch.randperm(rows, device=self.device)
            nodes = torch.randint(0, 2 * setup.steps + 1, (rows,), device=self.device) if training.flow else order
            for index, node in zip(order.split(size), nodes.split(size), strict=True):
                if self.choice.rows == "packed":
                    parts = zip(training.fields.items(), matrix[index].split(list(training.fields.values()), 1), strict=True)
                    chunk = {k: v[:, 0] if w == 1 and batch[k].dim() == 1 else v for (k, w), v in parts}
                else:
                    chunk = {k: v[index] for k, v in batch.items()}
                loss, means, names = self.loss(self.params, frozen, chunk, node)
                self.optimiser.zero_grad(set_to_none=True)
                loss.backward()
                norm = torch.nn.utils.clip_grad_norm_(self.params.values(), setup.grad_norm)
                self.optimiser.step()
                sums, done = sums + torch.cat([means, norm[None]]), done + 1
            kl = (sums[names.index("kl")] / done).item()
            if kl > 2.0 * training.kl_target:
                self.rate /= 1.5
            elif kl < 0.5 * training.kl_target:
                self.rate *= 1.5
            self.rate = min(max(self.rate, training.lr_min), training.lr_max)
            for group in self.optimiser.param_groups:
                group["lr"] = self.rate * training.rate_scale(self.iteration)
        return dict(zip([*names, "grad_norm"], (sums / done).unbind(), strict=True))
