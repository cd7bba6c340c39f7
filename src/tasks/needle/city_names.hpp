#pragma once
/// @file  Names for needle keys: real cities, each once.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringworld {

/// In a fixed order: a vocabulary takes the first so many, so names may only be added at the end.
inline constexpr std::array<std::string_view, 160> city_names{
    "Paris",      "London",       "Berlin",     "Madrid",     "Vienna",    "Lisbon",     "Dublin",     "Oslo",
    "Helsinki",   "Stockholm",    "Copenhagen", "Warsaw",     "Prague",    "Budapest",   "Bucharest",  "Sofia",
    "Belgrade",   "Zagreb",       "Ljubljana",  "Bratislava", "Vilnius",   "Riga",       "Tallinn",    "Minsk",
    "Kyiv",       "Moscow",       "Istanbul",   "Ankara",     "Tbilisi",   "Yerevan",    "Baku",       "Tehran",
    "Baghdad",    "Riyadh",       "Doha",       "Dubai",      "Muscat",    "Kabul",      "Tashkent",   "Almaty",
    "Bishkek",    "Dushanbe",     "Karachi",    "Lahore",     "Delhi",     "Mumbai",     "Kolkata",    "Chennai",
    "Bangalore",  "Hyderabad",    "Kathmandu",  "Dhaka",      "Colombo",   "Yangon",     "Bangkok",    "Hanoi",
    "Saigon",     "Vientiane",    "Singapore",  "Jakarta",    "Surabaya",  "Manila",     "Cebu",       "Taipei",
    "Beijing",    "Shanghai",     "Shenzhen",   "Chengdu",    "Wuhan",     "Xian",       "Seoul",      "Busan",
    "Incheon",    "Tokyo",        "Osaka",      "Kyoto",      "Nagoya",    "Sapporo",    "Fukuoka",    "Ulaanbaatar",
    "Sydney",     "Melbourne",    "Brisbane",   "Perth",      "Adelaide",  "Hobart",     "Canberra",   "Auckland",
    "Wellington", "Christchurch", "Honolulu",   "Anchorage",  "Seattle",   "Portland",   "Denver",     "Phoenix",
    "Dallas",     "Houston",      "Austin",     "Chicago",    "Detroit",   "Cleveland",  "Boston",     "Pittsburgh",
    "Baltimore",  "Atlanta",      "Miami",      "Orlando",    "Nashville", "Louisville", "Omaha",      "Minneapolis",
    "Toronto",    "Montreal",     "Ottawa",     "Calgary",    "Winnipeg",  "Vancouver",  "Halifax",    "Havana",
    "Kingston",   "Panama",       "Bogota",     "Quito",      "Lima",      "Santiago",   "Montevideo", "Caracas",
    "Brasilia",   "Salvador",     "Recife",     "Manaus",     "Asuncion",  "Cordoba",    "Rosario",    "Medellin",
    "Cali",       "Guayaquil",    "Arequipa",   "Valparaiso", "Cairo",     "Casablanca", "Rabat",      "Tunis",
    "Algiers",    "Dakar",        "Accra",      "Lagos",      "Abuja",     "Nairobi",    "Kampala",    "Kigali",
    "Lusaka",     "Harare",       "Maputo",     "Durban",     "Pretoria",  "Windhoek",   "Luanda",     "Kinshasa"};

/// The first `count` of them, for a word vocabulary.
/// @throws ringworld::Error (bad_input) when there are not so many.
[[nodiscard]] std::vector<std::string> needle_keys(std::int64_t count);

}  // namespace ringworld
