<?php
// Reads Poort's receipts and answers the gate in PHP, 8.1 or later; needs no extension but those that are always there.
//
//     require "poort.php";
//     Poort\decide($_SERVER["HTTP_COOKIE"] ?? "", $keys, $version, "hotjar", time(), $gpc)
//         -> ["allow" => false, "reason" => "denied"]
//
// Gives the answers of consent/receipts.py and consent/gate.py; tests/vectors/receipts.json holds all of them together.

declare(strict_types=1);

namespace Poort;

const SALT = "poort.receipt";
const LONGEST = 4096;
const LATEST = 2 ** 53; // what every language reads exactly
const CATEGORIES = ["necessary", "functional", "analytics", "marketing"];
const ALLOWED = ["necessary", "exempt", "granted"];
const ACTIONS = ["accept_all", "necessary_only", "custom", "withdraw"];
const CLAIMS = ["s", "r", "p", "v", "a", "c", "x", "g", "gpc", "t", "e"];
const UUID = '/\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\z/';
const TOKEN = '/\A[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}\z/';

// -- receipts ---------------------------------------------------------------------------------------------------------

/** The payload of a token that one of the keys signed and that is a receipt, of any site and age; else null. */
function read(mixed $token, array $keys): ?array
{
    if ($keys === [] || array_filter($keys, fn($key) => !is_string($key) || trim($key) === "") !== []) {
        throw new \InvalidArgumentException("keys must be a list with at least one key, and no empty one");
    }
    if (!is_string($token) || strlen($token) > LONGEST || !preg_match(TOKEN, $token)) {
        return null;
    }
    [$payload, $signature] = explode(".", $token);
    $signed = false;
    foreach ($keys as $key) {
        $signed = is_signed($key, $payload, $signature) || $signed;
    }
    return $signed ? claims_of($payload) : null;
}

/** The same, for a receipt of this site that has not ended at `$now` (seconds since 1970). */
function verify(mixed $token, array $keys, string $site, int|float $now): ?array
{
    $claims = read($token, $keys);
    return $claims !== null && $claims["s"] === $site && $now < $claims["e"] ? $claims : null;
}

function is_signed(string $key, string $payload, string $signature): bool
{
    $derived = hash_hmac("sha256", SALT, $key, true);
    // Compared as text: the last character of base64 has bits that mean nothing, and one receipt is one text.
    return hash_equals(encoded(hash_hmac("sha256", $payload, $derived, true)), $signature);
}

/** Base64 for URLs, without padding. */
function encoded(string $content): string
{
    return rtrim(strtr(base64_encode($content), "+/", "-_"), "=");
}

function claims_of(string $payload): ?array
{
    $content = base64_decode(strtr($payload, "-_", "+/"));
    if ($content === false || encoded($content) !== $payload) {
        return null;
    }
    // As objects: in arrays PHP does not tell {} from [].
    $claims = json_decode(plain($content));
    return $claims instanceof \stdClass && is_receipt((array) $claims) ? (array) $claims : null;
}

/** JSON with what is half of a surrogate pair replaced: PHP alone would refuse the whole. */
function plain(string $json): string
{
    $half = '/\\\\(?:u[dD][89abAB]..\\\\u[dD][c-fC-F]..(*SKIP)(*F)|u[dD][89a-fA-F]..|.(*SKIP)(*F))/s';
    return preg_replace($half, '\\ufffd', $json) ?? "";
}

function is_receipt(array $claims): bool
{
    $there = array_keys($claims);
    $variant = in_array("w", $there, true);  // what an experiment showed; it allows nothing
    if (count($there) !== count(CLAIMS) + ($variant ? 1 : 0) || array_diff(CLAIMS, $there) !== []) {
        return false;
    }
    if ($variant && (!is_string($claims["w"]) || preg_match('/\A[a-z0-9-]{1,20}\z/', $claims["w"]) !== 1)) {
        return false;
    }
    ["s" => $s, "r" => $r, "p" => $p, "v" => $v, "a" => $a, "c" => $c, "x" => $x, "g" => $g] = $claims;
    if (!is_string($s) || !is_id($r) || !is_id($p) || !is_bool($claims["gpc"])) {
        return false;
    }
    if (!is_whole($v) || !is_whole($claims["t"]) || !is_whole($claims["e"]) || !in_array($a, ACTIONS, true)) {
        return false;
    }
    if (!is_names($c) || !is_names($x) || !is_names($g)) {
        return false;
    }
    return ($a !== "necessary_only" && $a !== "withdraw") || ($c === [] && $g === []); // a refusal grants nothing
}

function is_id(mixed $value): bool
{
    return is_string($value) && preg_match(UUID, $value) === 1;
}

function is_whole(mixed $value): bool
{
    return is_int($value) && $value >= 0 && $value < LATEST;
}

function is_names(mixed $value): bool
{
    return is_array($value) && array_filter($value, is_string(...)) === $value;
}

/** The tokens in a Cookie header: two of the name `poort` happen when a sibling subdomain sets one too. */
function tokens(string $cookies): array
{
    $found = [];
    foreach (explode(";", str_replace(",", ";", $cookies)) as $part) {
        [$name, $value] = [...explode("=", $part, 2), ""];
        if (str_contains($part, "poort=") && trim($name, " \t") === "poort") {
            $found[] = trim(trim($value, " \t"), '"');
        }
    }
    return $found;
}

// -- the gate ---------------------------------------------------------------------------------------------------------

/**
 * Whether `$tracker` may load, and why (not): `["allow" => bool, "reason" => string]`. Any doubt is no.
 *
 * `$shown`: the Cookie header (`$_COOKIE` keeps one of two cookies alone), or a list of tokens; of several the one that
 * allows less counts. `$version`: the answer of `GET /v1/sites/{site}/config` as an array; without one nothing may load.
 * `$now`: seconds since 1970. `$gpc`: the request has `Sec-GPC: 1`.
 */
function decide(
    string|array|null $shown, array $keys, ?array $version, string $tracker, int|float $now, bool $gpc = false
): array {
    $known = $version ? version_of($version) : null;
    $rule = $known["trackers"][$tracker] ?? null;
    if ($rule === null || !is_finite($now)) {
        return answer("unknown_tracker");
    }
    $list = is_array($shown) ? $shown : tokens($shown ?? "");
    $receipts = $list === [] ? [null] : array_map(fn($token) => read($token, $keys) ?? "unreadable", $list);
    $reasons = array_map(fn($receipt) => reason_of($rule, $receipt, $known, $now, $gpc), array_values($receipts));
    $refusals = array_values(array_diff($reasons, ALLOWED));
    return answer($refusals[0] ?? end($reasons));
}

function answer(string $reason): array
{
    return ["allow" => in_array($reason, ALLOWED, true), "reason" => $reason];
}

function reason_of(array $rule, array|string|null $receipt, array $version, int|float $now, bool $gpc): string
{
    return match (true) {
        $rule["category"] === "necessary" => "necessary",
        $rule["exempt"] => "exempt",
        $version["audience"] === "children" => "child_audience",
        $receipt === null => "no_choice",
        is_string($receipt) => "bad_receipt",
        $receipt["s"] !== $version["site"] => "wrong_site",
        $now >= $receipt["e"] => "expired",
        // A receipt newer than the version we know may mean something else by its categories.
        $rule["since"] > $receipt["v"], $receipt["v"] > $version["number"] => "stale_version",
        !grants($receipt, $rule) => $receipt["a"] === "withdraw" ? "withdrawn" : "denied",
        $gpc && $rule["category"] === "marketing" && !$receipt["gpc"] => "gpc",
        default => "granted",
    };
}

/** A tracker's own choice beats its category's; refusing wins over allowing. */
function grants(array $receipt, array $rule): bool
{
    if (in_array($rule["id"], $receipt["x"], true)) {
        return false;
    }
    return in_array($rule["category"], $receipt["c"], true) || in_array($rule["id"], $receipt["g"], true);
}

/** What the gate needs of a version; throws when it is none: a gate that can not read its version must not guess. */
function version_of(array $data): array
{
    $categories = $data["categories"] ?? null;
    $number = $data["number"] ?? $data["version"] ?? null;
    if (!is_string($data["site"] ?? null) || !is_int($number) || !is_array($categories)) {
        throw no_version();
    }
    $since = array_is_list($categories) ? array_column($categories, "since", "id") : $categories;
    $trackers = [];
    foreach ($data["trackers"] ?? throw no_version() as $row) {
        $trackers[$row["id"]] = rule_of($row, $since);
    }
    $audience = $data["audience"] ?? "general";
    return ["site" => $data["site"], "number" => $number, "audience" => $audience, "trackers" => $trackers];
}

function rule_of(array $row, array $since): array
{
    ["id" => $id, "category" => $category, "since" => $changed] = $row;
    if (!in_array($category, CATEGORIES, true) || !is_int($changed) || !is_int($since[$category] ?? null)) {
        throw no_version();
    }
    $exempt = ($row["exempt"] ?? false) === true;
    return ["id" => $id, "category" => $category, "exempt" => $exempt, "since" => max($changed, $since[$category])];
}

function no_version(): \InvalidArgumentException
{
    return new \InvalidArgumentException("version must be the answer of GET /v1/sites/{site}/config, as an array");
}
