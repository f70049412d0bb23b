# SPDX-License-Identifier: Apache-2.0
# A POSIX shell at work, until it is killed. Prints a line when it has begun.
descend() {
  if [ "$1" -eq 0 ]; then
    count=0
    while [ "$count" -lt 200 ]; do
      count=$((count + 1))
      case "$count" in *7) text="${text%x}x" ;; *) : ;; esac
    done
  else
    descend $(($1 - 1))
  fi
}

echo ready
while :; do
  descend 6
done
