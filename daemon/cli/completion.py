"""`sellerd completion`: what a shell needs to complete words of sellerd (guide S3)."""

import click

from daemon.cli.noun import examples

_PROGRAM = "sellerd"
#: click's own name for the variable by which a shell asks for completions
_VARIABLE = "_SELLERD_COMPLETE"


@click.command(
    epilog=examples(
        "sellerd completion bash > /etc/bash_completion.d/sellerd",
        "sellerd completion zsh > /usr/local/share/zsh/site-functions/_sellerd",
        "sellerd completion fish > ~/.config/fish/completions/sellerd.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what SHELL must read so that it completes commands and options of sellerd."""
    from click.shell_completion import get_completion_class

    writer = get_completion_class(shell)
    if writer is None:
        raise click.UsageError(f"{shell} is not known")
    text = writer(ctx.find_root().command, {}, _PROGRAM, _VARIABLE).source_template % {
        "complete_func": f"_{_PROGRAM}_completion",
        "complete_var": _VARIABLE,
        "prog_name": _PROGRAM,
    }
    click.echo(text)
