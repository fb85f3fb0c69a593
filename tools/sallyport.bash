# bash completion for sallyport

_sallyport_rules() {
  sallyport rules export 2>/dev/null |
    sed -n 's/^name *= "\([a-z0-9-]*\)"$/\1/p'
}

_sallyport_proposed() {
  sallyport learn show 2>/dev/null | sed -n 's/^\(learn-[a-z0-9-]*\): .*/\1/p'
}

_sallyport() {
  local cur prev words cword
  _init_completion || return
  local verbs='status mode confirm off doctor watch version allow deny reject
    local-only rules explain violations events history stats learn'
  local common='--json --socket --help'
  local verb= sub= i
  for ((i = 1; i < cword; i++)); do
    case ${words[i]} in
      --socket) ((i++)) ;;
      -*) ;;
      *) if [[ -z $verb ]]; then verb=${words[i]}; else
           sub=${words[i]}; break; fi ;;
    esac
  done
  case $prev in
    --socket) _filedir; return ;;
    --from) COMPREPLY=($(compgen -W 'opensnitch ufw lsrules portmaster' \
              -- "$cur")); return ;;
    --to | --not-to)
      if [[ $verb == rules ]]; then
        COMPREPLY=($(compgen -W 'toml json nft' -- "$cur")); return
      fi
      COMPREPLY=($(compgen -W 'loopback lan link-local multicast
      broadcast internet' -- "$cur")); return ;;
    --proto) COMPREPLY=($(compgen -W 'tcp udp icmp ipv6-icmp udplite sctp' \
               -- "$cur")); return ;;
    --user | --not-user) COMPREPLY=($(compgen -u -- "$cur")); return ;;
    --for) COMPREPLY=($(compgen -W '10m 1h 8h 1d 7d' -- "$cur")); return ;;
    --interface) COMPREPLY=($(compgen -W "vpn $(cd /sys/class/net && echo *)" \
                   -- "$cur")); return ;;
    --since) COMPREPLY=($(compgen -W '60s 5m 1h 1d 7d' -- "$cur")); return ;;
    --confirm) COMPREPLY=($(compgen -W '60s 5m 15m' -- "$cur")); return ;;
    --during | --rate | --until | --port | --not-port | --priority | --name | --comment | --limit | --proposal) return ;;
  esac
  case $verb in
    '') COMPREPLY=($(compgen -W "$verbs $common --version" -- "$cur")) ;;
    mode)
      COMPREPLY=($(compgen -W "monitor learn enforce lockdown --confirm
        $common" -- "$cur")) ;;
    confirm) COMPREPLY=($(compgen -W "--undo $common" -- "$cur")) ;;
    allow | deny | reject | local-only)
      if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "--to --port --proto --user --interface --during --rate --for --until
          --not-to --not-port --not-user --priority --name --comment --dry-run $common" -- "$cur"))
      elif [[ $cur == */* ]]; then _filedir
      else COMPREPLY=($(compgen -c -W any -- "$cur")); fi ;;
    rules)
      case $sub in
        '') COMPREPLY=($(compgen -W "list show remove enable disable check
              export import sync $common" -- "$cur")) ;;
        show | remove | enable | disable)
          COMPREPLY=($(compgen -W "$(_sallyport_rules)" -- "$cur")) ;;
        import)
          if [[ $cur == -* ]]; then
            COMPREPLY=($(compgen -W "--replace --dry-run --confirm --from --app
              --user --list --priority $common" \
              -- "$cur"))
          else _filedir; fi ;;
        check) _filedir toml ;;
        export) COMPREPLY=($(compgen -W "--to $common" -- "$cur")) ;;
      esac ;;
    explain)
      if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "--proto --user --interface $common" -- "$cur"))
      elif [[ -z $sub ]]; then COMPREPLY=($(compgen -c -- "$cur"))
      else _known_hosts_real -- "$cur"; fi ;;
    violations)
      if [[ $prev == --app ]]; then COMPREPLY=($(compgen -c -- "$cur"))
      else COMPREPLY=($(compgen -W "--since --app --follow --limit $common" \
             -- "$cur")); fi ;;
    events) COMPREPLY=($(compgen -W "--follow --verbose $common" \
              -- "$cur")) ;;
    history)
      case $sub in
        '') COMPREPLY=($(compgen -W "verify head rules $common" -- "$cur")) ;;
        verify)
          if [[ $prev == --file ]]; then _filedir
          else COMPREPLY=($(compgen -W "--head --file $common" -- "$cur")); fi ;;
        rules) COMPREPLY=($(compgen -W "--since --limit --verbose $common" \
                 -- "$cur")) ;;
      esac ;;
    stats) COMPREPLY=($(compgen -c -- "$cur")) ;;
    learn)
      local groups='--exact-names --group-addresses --by-user'
      if [[ $prev == --app ]]; then COMPREPLY=($(compgen -c -- "$cur")); return
      fi
      case $sub in
        '') COMPREPLY=($(compgen -W "show apply clear $common" -- "$cur")) ;;
        show) COMPREPLY=($(compgen -W "--app --seen $groups $common" \
                -- "$cur")) ;;
        apply) COMPREPLY=($(compgen -W "--app --proposal $groups $common
                 $(_sallyport_proposed)" -- "$cur")) ;;
        clear) COMPREPLY=($(compgen -W "--app $common" -- "$cur")) ;;
      esac ;;
    *) COMPREPLY=($(compgen -W "$common" -- "$cur")) ;;
  esac
} && complete -F _sallyport sallyport
