# A client, as client.py: curl, one invocation for all requests, or wget or nghttp, an invocation for
# each, because their options are those of all requests of an invocation. So is one of curl with HTTP/2
# (curl-h2): 7.88 begins a kept connection of prior knowledge anew, which every server refuses.
set -eu
program=$1
server=$2
# Ends with an error that names the program, where there is none.
"${program%-h2}" --version > /dev/null

case $program in
curl)
    first=yes
    while read -r method path traceparent file; do
        [ "$first" ] || echo next
        first=
        echo "url = \"$server$path\""
        echo "header = \"traceparent: $traceparent\""
        [ "$method" != HEAD ] || echo head
        [ -z "$file" ] || echo "data-binary = \"@$file\""
        printf 'output = /dev/null\nsilent\nhttp1.1\nwrite-out = "%%{http_code} %%{errormsg}\\n"\n'
    done | { script=$(cat); [ -z "$script" ] || echo "$script" | curl --config -; } || true
    ;;
curl-h2)
    while read -r method path traceparent file; do
        set -- --silent --http2-prior-knowledge --header "traceparent: $traceparent"
        [ "$method" != HEAD ] || set -- "$@" --head
        [ -z "$file" ] || set -- "$@" --data-binary "@$file"
        curl "$@" --output /dev/null --write-out '%{http_code} %{errormsg}\n' "$server$path" || true
    done
    ;;
nghttp)
    while read -r method path traceparent file; do
        set -- --null-out --stat --header="traceparent: $traceparent"
        [ "$method" != HEAD ] || set -- "$@" --header=":method: HEAD"
        [ -z "$file" ] || set -- "$@" --data="$file"
        log=$(nghttp "$@" "$server$path" 2>&1) || true
        status=$(printf '%s\n' "$log" | awk -v path="$path" '$NF == path { print $(NF - 2) }')
        echo "${status:-no response: $(printf '%s' "$log" | tail -n 1)}"
    done
    ;;
wget)
    while read -r method path traceparent file; do
        set -- --no-config --no-proxy --tries=1 --server-response --output-document=/dev/null
        [ -z "$file" ] || set -- "$@" --body-file="$file"
        log=$(wget "$@" --method="$method" --header="traceparent: $traceparent" "$server$path" 2>&1) || true
        status=$(printf '%s\n' "$log" | sed -n 's/^ *HTTP\/[0-9.]* \([0-9]*\).*/\1/p' | tail -n 1)
        echo "${status:-no response: $(printf '%s' "$log" | tail -n 1)}"
    done
    ;;
esac
